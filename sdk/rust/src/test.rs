//! A worker in memory, for tests with the machine's own compiler: no WebAssembly, no Shoal.
//!
//! ```
//! fn greet(input: &[u8]) -> shoal::Output {
//!     let name = shoal::chain::call("name", input)?.output()?;
//!     Ok([b"Hello, ", name.as_slice()].concat())
//! }
//!
//! shoal::test::chain("name", |input| Ok(input.to_ascii_uppercase()));
//! assert_eq!(shoal::test::call(greet, b"ada").unwrap(), b"Hello, ADA");
//! ```
//!
//! Each thread has a worker of its own, and `cargo test` runs each test in a thread of its own: tests do not meet. There is
//! one worker and one call at a time, so pushes, pulls and locks find nothing to do. Chained calls run when they are made.

use crate::Output;
use std::cell::RefCell;
use std::collections::HashMap;

type Handler = fn(&[u8]) -> Output;

#[derive(Default)]
struct Worker {
    input: Vec<u8>,
    output: Vec<u8>,
    functions: HashMap<String, Handler>,
    calls: Vec<(i32, Vec<u8>)>,
    values: HashMap<String, Vec<u8>>,
    lists: HashMap<String, Vec<Vec<u8>>>,
}

thread_local!(static WORKER: RefCell<Worker> = RefCell::default());

fn with<T>(f: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with(|worker| f(&mut worker.borrow_mut()))
}

/// Runs a handler as a call, and returns what it returns.
pub fn call(handler: Handler, input: &[u8]) -> Output {
    let before = with(|w| (std::mem::replace(&mut w.input, input.to_vec()), std::mem::take(&mut w.output)));
    let result = handler(&crate::input());
    with(|w| {
        w.input = before.0;
        w.output = before.1;
    });
    result
}

/// Has calls that are chained by a name run a handler.
pub fn chain(function: &str, handler: Handler) {
    with(|w| w.functions.insert(function.to_string(), handler));
}

/// What [`crate::output`] was last given.
pub fn output() -> Vec<u8> {
    with(|w| w.output.clone())
}

/// The value under a key, if there is one.
pub fn value(key: &str) -> Option<Vec<u8>> {
    with(|w| w.values.get(key).cloned())
}

/// Makes bytes the value under a key.
pub fn set_value(key: &str, value: &[u8]) {
    with(|w| w.values.insert(key.to_string(), value.to_vec()));
}

/// What the imports do natively.
pub(crate) mod host {
    use super::with;
    use std::ffi::CStr;

    fn text(name: &CStr) -> String {
        name.to_string_lossy().into_owned()
    }

    pub fn input_size() -> usize {
        with(|w| w.input.len())
    }

    pub fn read_input(buffer: &mut [u8]) -> usize {
        with(|w| {
            let size = buffer.len().min(w.input.len());
            buffer[..size].copy_from_slice(&w.input[..size]);
            size
        })
    }

    pub fn write_output(output: &[u8]) {
        with(|w| w.output = output.to_vec())
    }

    pub fn chain_name(name: &CStr, input: &[u8]) -> i32 {
        let name = text(name);
        let handler = with(|w| w.functions.get(&name).copied());
        let handler = handler.unwrap_or_else(|| panic!("no function {} (shoal::test::chain registers one)", name));
        let ended = match super::call(handler, input) {
            Ok(output) => (0, output),
            Err(err) => {
                eprintln!("{}: {}", name, err);
                (1, Vec::new())
            }
        };
        with(|w| {
            w.calls.push(ended);
            w.calls.len() as i32
        })
    }

    pub fn await_call(call: u32) -> i32 {
        await_output(call).0
    }

    pub fn await_output(call: u32) -> (i32, Vec<u8>) {
        with(|w| w.calls[call as usize - 1].clone())
    }

    pub fn read_state(key: &CStr, buffer: &mut [u8]) -> i32 {
        with(|w| {
            let value = w.values.entry(text(key)).or_default();
            let size = buffer.len().min(value.len());
            buffer[..size].copy_from_slice(&value[..size]);
            value.len() as i32
        })
    }

    fn part<T>(key: &CStr, total: usize, f: impl FnOnce(&mut [u8]) -> T) -> T {
        with(|w| {
            let value = w.values.entry(text(key)).or_default();
            if value.len() < total {
                value.resize(total, 0);
            }
            f(value)
        })
    }

    pub fn read_state_offset(key: &CStr, total: usize, offset: usize, buffer: &mut [u8]) {
        let size = buffer.len();
        part(key, total, |value| buffer.copy_from_slice(&value[offset..offset + size]))
    }

    pub fn write_state(key: &CStr, value: &[u8]) {
        super::set_value(&text(key), value)
    }

    pub fn write_state_offset(key: &CStr, total: usize, offset: usize, bytes: &[u8]) {
        part(key, total, |value| value[offset..offset + bytes.len()].copy_from_slice(bytes))
    }

    pub fn append_state(key: &CStr, element: &[u8]) {
        with(|w| w.lists.entry(text(key)).or_default().push(element.to_vec()))
    }

    pub fn read_appended_state(key: &CStr, buffer: &mut [u8], count: usize) {
        let elements = with(|w| w.lists.entry(text(key)).or_default()[..count].concat());
        buffer[..elements.len()].copy_from_slice(&elements)
    }

    pub fn clear_appended_state(key: &CStr) {
        with(|w| w.lists.remove(&text(key)));
    }

    pub fn pull_state(_: &CStr, _: usize) {}
    pub fn push_state(_: &CStr) {}
    pub fn lock_state_read(_: &CStr) {}
    pub fn unlock_state_read(_: &CStr) {}
    pub fn lock_state_write(_: &CStr) {}
    pub fn unlock_state_write(_: &CStr) {}
    pub fn lock_state_global(_: &CStr) {}
    pub fn unlock_state_global(_: &CStr) {}
}
