package suite

import (
	"encoding/binary"
	"time"
)

// Guests that more than one test uses.
const (
	watEcho = `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 4)
	  (func (export "handle") (result i32)
	    (local $n i32)
	    (local.set $n (call $read (i32.const 0) (i32.const 0)))
	    (drop (call $read (i32.const 1024) (local.get $n)))
	    (call $write (i32.const 1024) (local.get $n))
	    (i32.const 0)))`

	watLoop = `(module
	  (memory (export "memory") 1)
	  (func $spin (loop $l (br $l)))
	  (func (export "handle") (result i32) (call $spin) (i32.const 0)))`

	// Sleeps in poll_oneoff for as many milliseconds as the input, a little-endian u64, says, and echoes the input.
	watSleep = `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func $sleep
	    (i32.store offset=16 (i32.const 0) (i32.const 1)) ;; the monotonic clock
	    (i64.store offset=24 (i32.const 0) (i64.mul (i64.load (i32.const 1024)) (i64.const 1000000)))
	    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
	  (func (export "handle") (result i32)
	    (drop (call $read (i32.const 1024) (i32.const 8)))
	    (call $sleep)
	    (call $write (i32.const 1024) (call $read (i32.const 1024) (i32.const 1024)))
	    (i32.const 0)))`
)

// millis is watSleep's input.
func millis(d time.Duration) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(d.Milliseconds()))
}
