// The imports, by Faasm's names. Which of them a module imports is up to what it calls. Names and keys are bytes in UTF-8 with
// a NUL at the end; sizes and offsets are in bytes.

@external("env", "__faasm_read_input")
export declare function readInput(buffer: usize, size: i32): i32;
@external("env", "__faasm_write_output")
export declare function writeOutput(data: usize, size: i32): void;

@external("env", "__faasm_chain_name")
export declare function chainName(name: usize, input: usize, size: i32): i32;
@external("env", "__faasm_await_call")
export declare function awaitCall(call: i32): i32;
@external("env", "__faasm_await_call_output")
export declare function awaitCallOutput(call: i32, output: usize, size: usize): i32;

@external("env", "__faasm_read_state")
export declare function readState(key: usize, buffer: usize, size: i32): i32;
@external("env", "__faasm_read_state_offset")
export declare function readStateOffset(key: usize, total: i32, offset: i32, buffer: usize, size: i32): void;
@external("env", "__faasm_write_state")
export declare function writeState(key: usize, data: usize, size: i32): void;
@external("env", "__faasm_write_state_offset")
export declare function writeStateOffset(key: usize, total: i32, offset: i32, data: usize, size: i32): void;
@external("env", "__faasm_push_state")
export declare function pushState(key: usize): void;
@external("env", "__faasm_pull_state")
export declare function pullState(key: usize, size: i32): void;
@external("env", "__faasm_append_state")
export declare function appendState(key: usize, data: usize, size: i32): void;
@external("env", "__faasm_read_appended_state")
export declare function readAppendedState(key: usize, buffer: usize, size: i32, count: i32): void;
@external("env", "__faasm_clear_appended_state")
export declare function clearAppendedState(key: usize): void;
@external("env", "__faasm_lock_state_read")
export declare function lockStateRead(key: usize): void;
@external("env", "__faasm_unlock_state_read")
export declare function unlockStateRead(key: usize): void;
@external("env", "__faasm_lock_state_write")
export declare function lockStateWrite(key: usize): void;
@external("env", "__faasm_unlock_state_write")
export declare function unlockStateWrite(key: usize): void;
@external("env", "__faasm_lock_state_global")
export declare function lockStateGlobal(key: usize): void;
@external("env", "__faasm_unlock_state_global")
export declare function unlockStateGlobal(key: usize): void;
