//! The imports, by Faasm's names, and functions over them that take Rust's types. Which of them a module imports is up to
//! what it calls.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

mod import {
    use super::*;

    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn __faasm_read_input(buffer: *mut u8, size: c_int) -> c_int;
        pub fn __faasm_write_output(data: *const u8, size: c_int);
        pub fn __faasm_chain_name(name: *const c_char, input: *const u8, size: c_int) -> c_int;
        pub fn __faasm_await_call(call: u32) -> c_int;
        pub fn __faasm_await_call_output(call: u32, output: *mut *mut u8, size: *mut c_int) -> c_int;
        pub fn __faasm_read_state(key: *const c_char, buffer: *mut u8, size: c_int) -> c_int;
        pub fn __faasm_read_state_offset(key: *const c_char, total: c_int, offset: c_int, buffer: *mut u8, size: c_int);
        pub fn __faasm_write_state(key: *const c_char, data: *const u8, size: c_int);
        pub fn __faasm_write_state_offset(key: *const c_char, total: c_int, offset: c_int, data: *const u8, size: c_int);
        pub fn __faasm_push_state(key: *const c_char);
        pub fn __faasm_pull_state(key: *const c_char, size: c_int);
        pub fn __faasm_append_state(key: *const c_char, data: *const u8, size: c_int);
        pub fn __faasm_read_appended_state(key: *const c_char, buffer: *mut u8, size: c_int, count: c_int);
        pub fn __faasm_clear_appended_state(key: *const c_char);
        pub fn __faasm_lock_state_read(key: *const c_char);
        pub fn __faasm_unlock_state_read(key: *const c_char);
        pub fn __faasm_lock_state_write(key: *const c_char);
        pub fn __faasm_unlock_state_write(key: *const c_char);
        pub fn __faasm_lock_state_global(key: *const c_char);
        pub fn __faasm_unlock_state_global(key: *const c_char);
    }

    extern "C" {
        pub fn free(memory: *mut u8); // of the C library below std, whose malloc the host calls
    }
}

pub fn input_size() -> usize {
    unsafe { import::__faasm_read_input(std::ptr::null_mut(), 0) as usize }
}

pub fn read_input(buffer: &mut [u8]) -> usize {
    unsafe { import::__faasm_read_input(buffer.as_mut_ptr(), buffer.len() as c_int) as usize }
}

pub fn write_output(output: &[u8]) {
    unsafe { import::__faasm_write_output(output.as_ptr(), output.len() as c_int) }
}

pub fn chain_name(name: &CStr, input: &[u8]) -> i32 {
    unsafe { import::__faasm_chain_name(name.as_ptr(), input.as_ptr(), input.len() as c_int) }
}

pub fn await_call(call: u32) -> i32 {
    unsafe { import::__faasm_await_call(call) }
}

pub fn await_output(call: u32) -> (i32, Vec<u8>) {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    unsafe {
        let code = import::__faasm_await_call_output(call, &mut data, &mut size);
        if data.is_null() {
            return (code, Vec::new());
        }
        let output = std::slice::from_raw_parts(data, size as usize).to_vec();
        import::free(data);
        (code, output)
    }
}

pub fn read_state(key: &CStr, buffer: &mut [u8]) -> i32 {
    unsafe { import::__faasm_read_state(key.as_ptr(), buffer.as_mut_ptr(), buffer.len() as c_int) }
}

pub fn read_state_offset(key: &CStr, total: usize, offset: usize, buffer: &mut [u8]) {
    let size = buffer.len() as c_int;
    unsafe { import::__faasm_read_state_offset(key.as_ptr(), total as c_int, offset as c_int, buffer.as_mut_ptr(), size) }
}

pub fn write_state(key: &CStr, value: &[u8]) {
    unsafe { import::__faasm_write_state(key.as_ptr(), value.as_ptr(), value.len() as c_int) }
}

pub fn write_state_offset(key: &CStr, total: usize, offset: usize, part: &[u8]) {
    let size = part.len() as c_int;
    unsafe { import::__faasm_write_state_offset(key.as_ptr(), total as c_int, offset as c_int, part.as_ptr(), size) }
}

pub fn pull_state(key: &CStr, size: usize) {
    unsafe { import::__faasm_pull_state(key.as_ptr(), size as c_int) }
}

pub fn append_state(key: &CStr, element: &[u8]) {
    unsafe { import::__faasm_append_state(key.as_ptr(), element.as_ptr(), element.len() as c_int) }
}

pub fn read_appended_state(key: &CStr, buffer: &mut [u8], count: usize) {
    let size = buffer.len() as c_int;
    unsafe { import::__faasm_read_appended_state(key.as_ptr(), buffer.as_mut_ptr(), size, count as c_int) }
}

macro_rules! of_a_key {
    ($($name:ident => $import:ident),*) => {
        $(pub fn $name(key: &CStr) {
            unsafe { import::$import(key.as_ptr()) }
        })*
    };
}

of_a_key! {
    push_state => __faasm_push_state,
    clear_appended_state => __faasm_clear_appended_state,
    lock_state_read => __faasm_lock_state_read,
    unlock_state_read => __faasm_unlock_state_read,
    lock_state_write => __faasm_lock_state_write,
    unlock_state_write => __faasm_unlock_state_write,
    lock_state_global => __faasm_lock_state_global,
    unlock_state_global => __faasm_unlock_state_global
}
