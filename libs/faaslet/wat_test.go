//go:build linux && cgo

package faaslet

// Guests of the tests. Each is as small as what it shows.
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
	  (func (export "_start") (call $spin)))`

	watRecurse = `(module
	  (memory (export "memory") 1)
	  (func $deeper (param i32) (result i32)
	    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
	  (func (export "_start") (drop (call $deeper (i32.const 0)))))`

	// Grows until it is refused, then says how it is.
	watGrow = `(module
	  (memory (export "memory") 1)
	  (func (export "handle") (result i32)
	    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
	    (i32.const 7)))`

	watGrowAndGoOn = `(module
	  (memory (export "memory") 1)
	  (func (export "handle") (result i32)
	    (i32.ne (memory.grow (i32.const 60000)) (i32.const -1))))`

	watExit1 = `(module
	  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	  (memory (export "memory") 1)
	  (func (export "_start") (call $exit (i32.const 1)) unreachable))`

	watExit0 = `(module
	  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	  (memory (export "memory") 1)
	  (func (export "_start") (call $exit (i32.const 0)) unreachable))`

	watUnreachable = `(module
	  (memory (export "memory") 1)
	  (func $inner unreachable)
	  (func $outer (call $inner))
	  (func (export "_start") (call $outer)))`

	watOutOfBounds = `(module
	  (memory (export "memory") 1)
	  (func (export "_start") (drop (i32.load (i32.const 0x10000)))))`

	watNearTop = `(module
	  (memory (export "memory") 1)
	  (func (export "_start") (i64.store offset=0xffffffff (i32.const 0xffffffff) (i64.const 1))))`

	watDivide = `(module
	  (memory (export "memory") 1)
	  (global $zero (mut i32) (i32.const 0))
	  (func (export "_start") (drop (i32.div_s (i32.const 1) (global.get $zero)))))`

	watNullCall = `(module
	  (memory (export "memory") 1)
	  (table 1 funcref)
	  (func (export "_start") (call_indirect (i32.const 0))))`

	watWrongType = `(module
	  (memory (export "memory") 1)
	  (table 1 funcref)
	  (elem (i32.const 0) $f)
	  (func $f (param i64))
	  (func (export "_start") (call_indirect (i32.const 0))))`

	// Sleeps for an hour with poll_oneoff.
	watSleep = `(module
	  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "_start")
	    (i32.store offset=16 (i32.const 0) (i32.const 1))              ;; monotonic clock
	    (i64.store offset=24 (i32.const 0) (i64.const 3600000000000))  ;; timeout
	    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))`

	watNop = `(module
	  (memory (export "memory") 2)
	  (data (i32.const 1024) "some data of a guest")
	  (func (export "handle") (result i32) (i32.const 0)))`

	// A command that writes its stdin, 20 bytes at most, to stdout, and a word to stderr.
	watStdio = `(module
	  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 300) "word")
	  (func (export "_start")
	    (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 20))
	    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
	    (i32.store (i32.const 4) (i32.load (i32.const 8)))
	    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
	    (i32.store (i32.const 0) (i32.const 300)) (i32.store (i32.const 4) (i32.const 4))
	    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))`

	watInit = `(module
	  (memory (export "memory") 1)
	  (global $ready (mut i32) (i32.const 1))
	  (func (export "_initialize") (global.set $ready (i32.const 0)))
	  (func (export "handle") (result i32) (global.get $ready)))`

	watInitLoops = `(module
	  (memory (export "memory") 1)
	  (func $spin (loop $l (br $l)))
	  (func (export "_initialize") (call $spin))
	  (func (export "handle") (result i32) (i32.const 0)))`

	watInitTraps = `(module
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 300) "cannot go on")
	  (func (export "_initialize")
	    (i32.store (i32.const 0) (i32.const 300)) (i32.store (i32.const 4) (i32.const 12))
	    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
	    unreachable)
	  (func (export "handle") (result i32) (i32.const 0)))`

	// The start function calls into the host before anything could be looked up.
	watStart = `(module
	  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (global $errno (mut i32) (i32.const -1))
	  (func $go (global.set $errno (call $random (i32.const 0) (i32.const 8))))
	  (start $go)
	  (func (export "handle") (result i32)
	    (i32.or (global.get $errno) (i64.eqz (i64.load (i32.const 0))))))`
)
