//! For writing Shoal functions in Rust: name a handler, and the runtime calls it once for each call of the function, with
//! the call's input.
//!
//! ```
//! fn reverse(input: &[u8]) -> shoal::Output {
//!     Ok(input.iter().rev().copied().collect())
//! }
//!
//! shoal::handler!(reverse);
//! ```
//!
//! The answer of the call is what the handler returns. An error becomes a line on standard error, and the call fails with
//! `guest_failed` and exit code 1; [`std::process::exit`] fails it with the code it is given. A panic writes its message to
//! standard error, and the call fails with `guest_trapped` and a backtrace. Standard output and standard error are the
//! function's log.
//!
//! # Between calls
//!
//! What is expensive and the same for each call is done once, in an initialiser:
//!
//! ```
//! # fn answer(input: &[u8]) -> shoal::Output { Ok(input.to_vec()) }
//! # fn load_table() {}
//! shoal::handler!(answer, init = load_table);
//! ```
//!
//! After a call the Faaslet's memory is put back to what the initialiser left, and it serves the next one; other Faaslets
//! begin as copies of the same. So statics that calls change do not last. An initialiser that asks for random bytes (a
//! `HashMap` with its own hasher does, once) or for the time keeps the function from being restored, unless [`restored!`]
//! names what renews it.
//!
//! # More of the host
//!
//! [`chain`] calls other functions, [`state`] shares bytes between calls and workers. A module imports what it uses of them,
//! and nothing else.
//!
//! # Testing
//!
//! Everything builds natively: a test calls the handler as the plain function that it is, or through `shoal::test`, a worker
//! in memory with input, output, chained functions and state.

#![warn(missing_docs)]

pub mod chain;
mod error;
#[cfg(target_arch = "wasm32")]
mod host;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;

pub use error::Error;

#[cfg(not(target_arch = "wasm32"))]
use test::host;

/// What a handler returns: the call's output, or any error, which fails the call.
pub type Output = Result<Vec<u8>, Box<dyn std::error::Error>>;

/// Returns the call's input, in full each time. A handler is given it already.
pub fn input() -> Vec<u8> {
    let mut input = vec![0; host::input_size()];
    let size = if input.is_empty() { 0 } else { host::read_input(&mut input) };
    input.truncate(size);
    input
}

/// Makes bytes the call's output; the last call of it wins. What a handler returns is given already.
pub fn output(output: &[u8]) {
    host::write_output(output)
}

/// Answers a call with a handler and returns the exit code. It is what [`handler!`] exports.
#[doc(hidden)]
pub fn serve(handler: fn(&[u8]) -> Output) -> i32 {
    match handler(&input()) {
        Ok(out) => {
            output(&out);
            0
        }
        Err(err) => {
            eprintln!("{}", err);
            1
        }
    }
}

/// Makes a `fn(&[u8]) -> shoal::Output` the function's handler, and, with `init =`, a `fn()` what runs once before the first
/// call. It stands once in a crate, at the top of a module.
#[macro_export]
macro_rules! handler {
    ($handler:path) => {
        $crate::handler!($handler, init = $crate::no_init);
    };
    ($handler:path, init = $init:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            extern "C" {
                fn __wasm_call_ctors(); // the linker's
            }

            #[export_name = "_initialize"]
            extern "C" fn shoal_initialize() {
                unsafe { __wasm_call_ctors() };
                $init();
            }

            #[export_name = "handle"]
            extern "C" fn shoal_handle() -> i32 {
                $crate::serve($handler)
            }
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            #[allow(dead_code)] // and so is what it names
            fn shoal_natively() -> (fn(&[u8]) -> $crate::Output, fn()) {
                ($handler, $init)
            }
        };
    };
}

/// Makes a `fn()` what renews, before each call in memory that was put back, what must differ between calls: a generator that
/// an initialiser seeded, an identifier. Whoever names one says that nothing else needs renewal. It has 20 ms.
#[macro_export]
macro_rules! restored {
    ($renew:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[export_name = "shoal_restored"]
            extern "C" fn shoal_restored() -> i32 {
                $renew();
                0
            }
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            #[allow(dead_code)]
            fn shoal_natively() -> fn() {
                $renew
            }
        };
    };
}

#[doc(hidden)]
pub fn no_init() {}
