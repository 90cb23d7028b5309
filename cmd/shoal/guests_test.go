package main

import (
	"bytes"
	"encoding/binary"

	"github.com/shoal-run/shoal/bus/faas"
)

// guest is a module that the stories deploy, and what a platform makes of a call of it: the fake gateway runs run, a
// real one the module.
type guest struct {
	module []byte
	run    func(input []byte) (output []byte, log []string, err *faas.Error)
}

// guests are small reactors, written as bytes so that a story needs no compiler.
func guests() map[string]guest {
	return map[string]guest{
		"echo": {
			// call env.__faasm_write_output(1024, env.__faasm_read_input(1024, 60000)); return 0
			module: reactor(join(i32(1024), i32(1024), i32(60000), []byte{call, readInput, call, writeOutput}, i32(0)), nil),
			run:    func(in []byte) ([]byte, []string, *faas.Error) { return in, nil, nil },
		},
		"fail": {
			// fd_write(2, iovecs 0, 1, nwritten 8); return 3. The data is one iovec and its text.
			module: reactor(join(i32(2), i32(0), i32(1), i32(8), []byte{call, fdWrite, drop}, i32(3)),
				join([]byte{16, 0, 0, 0, 11, 0, 0, 0}, make([]byte, 8), []byte("went wrong\n"))),
			run: func([]byte) ([]byte, []string, *faas.Error) {
				return nil, []string{"went wrong"}, &faas.Error{Code: faas.GuestFailed, Message: "handle returned 3", ExitCode: 3, Stderr: "went wrong\n"}
			},
		},
		"trap": {
			module: reactor([]byte{call, boom}, nil),
			run: func([]byte) ([]byte, []string, *faas.Error) {
				return nil, nil, &faas.Error{
					Code: faas.GuestTrapped, Message: "unreachable", Trap: "unreachable",
					Backtrace: []faas.Frame{{Function: "boom", Offset: 0x92}, {Function: "handle", Offset: 0x8e}},
				}
			},
		},
		"greedy": {
			// return memory.grow(65000) == -1
			module: reactor(join(i32(65000), []byte{memoryGrow, 0}, i32(-1), []byte{i32Eq}), nil),
			run: func([]byte) ([]byte, []string, *faas.Error) {
				return nil, nil, &faas.Error{Code: faas.OutOfMemory, Message: "more than the 128MiB of the function", ExitCode: 1}
			},
		},
		"spin": {
			module: reactor(join([]byte{loop, emptyType, br, 0, end}, i32(0)), nil),
			run: func([]byte) ([]byte, []string, *faas.Error) {
				return nil, nil, faas.Errorf(faas.DeadlineExceeded, "out of time")
			},
		},
	}
}

// The instructions that the guests use, and the functions of every module, by index.
const (
	end, loop, br, call, drop = 0x0b, 0x03, 0x0c, 0x10, 0x1a
	i32Const, i32Eq           = 0x41, 0x46
	memoryGrow, emptyType     = 0x40, 0x40
	unreachable               = 0x00

	readInput, writeOutput, fdWrite, handle, boom = 0, 1, 2, 3, 4
)

// reactor is a module whose export handle has the given body, with data at address 0, and with a function boom that
// traps.
func reactor(body, data []byte) []byte {
	const i32Type = 0x7f
	typeOf := func(params, results int) []byte {
		p, r := bytes.Repeat([]byte{i32Type}, params), bytes.Repeat([]byte{i32Type}, results)
		return join([]byte{0x60}, vec(params, p), vec(results, r))
	}
	imported := func(module, name string, typ byte) []byte { return join(str(module), str(name), []byte{0x00, typ}) }
	function := func(code ...byte) []byte { return sized(join([]byte{0}, code, []byte{end})) }
	m := join([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vec(4, join(typeOf(0, 1), typeOf(2, 1), typeOf(2, 0), typeOf(4, 1)))),
		section(2, vec(3, join(imported("env", "__faasm_read_input", 1), imported("env", "__faasm_write_output", 2),
			imported("wasi_snapshot_preview1", "fd_write", 3)))),
		section(3, vec(2, []byte{0, 0})),
		section(5, vec(1, []byte{0, 1})),
		section(7, vec(2, join(str("memory"), []byte{2, 0}, str("handle"), []byte{0, handle}))),
		section(10, vec(2, join(function(body...), function(unreachable)))))
	if len(data) > 0 {
		m = append(m, section(11, vec(1, join([]byte{0}, i32(0), []byte{end}, vec(len(data), data))))...)
	}
	names := vec(2, join([]byte{handle}, str("handle"), []byte{boom}, str("boom")))
	return append(m, section(0, join(str("name"), []byte{1}, sized(names)))...)
}

func section(id byte, body []byte) []byte { return join([]byte{id}, sized(body)) }
func sized(b []byte) []byte               { return vec(len(b), b) }
func str(s string) []byte                 { return sized([]byte(s)) }
func vec(n int, items []byte) []byte      { return join(binary.AppendUvarint(nil, uint64(n)), items) }
func join(parts ...[]byte) []byte         { return bytes.Join(parts, nil) }

// i32 is the instruction that pushes v.
func i32(v int) []byte {
	b := []byte{i32Const}
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
