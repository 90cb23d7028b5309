;; Sleeps for 20 ms, which keeps its slot, and writes its input as output.
(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "handle") (result i32)
    (i32.store offset=16 (i32.const 0) (i32.const 1)) ;; the monotonic clock
    (i64.store offset=24 (i32.const 0) (i64.const 20000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (call $write (i32.const 1024) (call $read (i32.const 1024) (i32.const 1024)))
    (i32.const 0)))
