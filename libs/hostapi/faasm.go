package hostapi

import (
	"fmt"
	"strconv"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// env is the module that Faasm's own functions import from.
const env = "env"

// maxBacktrace is how many frames __faasm_backtrace prints at most.
const maxBacktrace = 128

// PointerError is the trap of a host function without an errno that was given bytes outside the guest's memory.
type PointerError struct {
	Func   string // the import's name
	Off    uint32
	Len    uint32
	Memory uint64 // size of the guest's memory, in bytes
}

// Error names the function, the bytes and the size of the memory.
func (e *PointerError) Error() string {
	return fmt.Sprintf("%s: %d bytes at %#x are outside the guest's memory of %d bytes", e.Func, e.Len, e.Off, e.Memory)
}

// faasmCall returns Faasm's rows for input and output.
func faasmCall() []Row {
	return []Row{
		{
			Module: env, Name: "__faasm_read_input", Group: groupCall,
			Params:  []Param{{"buf", I32}, {"len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Copy the first `len` bytes of the input, or all of it when it is shorter, to `buf` and return their number; with `len` 0 return the size of the input.",
			Func:    readInput,
		},
		{
			Module: env, Name: "__faasm_write_output", Group: groupCall,
			Params:  []Param{{"ptr", I32}, {"len", I32}},
			Support: Full,
			Doc:     "Make the `len` bytes at `ptr`, whatever they are, the output of the call; the last one wins. From the first on, stdout is log.",
			Func:    writeOutput,
		},
	}
}

// faasmMisc returns Faasm's rows that belong to no group of their own.
func faasmMisc() []Row {
	return []Row{{
		Module: env, Name: "__faasm_backtrace", Group: groupMisc,
		Params:  []Param{{"depth", I32}},
		Support: Full,
		Doc:     "Write the guest's stack to stderr, innermost frame first, at most `depth` frames; 0 or less is all, to 128.",
		Func:    backtrace,
	}}
}

// readInput copies the call's input to the guest. It always starts at the first byte, whatever was read before, and leaves
// stdin where it is.
//
// Parameters
//   - buf: where to copy to
//   - len: the size of the buffer, in bytes; 0 asks for the size of the input alone
//
// The result is the number of bytes copied, the smaller of len and the size of the input; with len 0, that size.
//
// Errors
//   - a trap, PointerError: the bytes to copy do not fit at buf; nothing was written
//   - wasi.ErrInterrupted: the call ended while they were copied
//
// Memory after __faasm_read_input(1, 8) = 5 with the input "hello":
//
//	     ┌─────── 5 bytes ───────┐
//	?    'h' 'e' 'l' 'l' 'o'   ?  ?  ?
//
// It is like pread(0, buf, len, 0) in POSIX. See
// https://github.com/faasm/faasm/blob/main/docs/source/host_interface.md
func readInput(c *Call, mem guest.Memory, a Args) (uint64, error) {
	buf, n := a.U32(0), a.U32(1)
	if n == 0 {
		return uint64(len(c.Input)), nil
	}
	in := c.Input[:min(uint64(n), uint64(len(c.Input)))]
	b, ok := mem.Bytes(buf, uint32(len(in)))
	if !ok {
		return 0, &PointerError{"__faasm_read_input", buf, uint32(len(in)), uint64(len(mem))}
	}
	if !c.WASI.Copy(b, in) {
		return 0, wasi.ErrInterrupted
	}
	return uint64(len(in)), nil
}

// writeOutput makes a copy of bytes of the guest the call's output; each replaces the one before. When the last one passes
// Call.MaxOutput, the call fails with too_large after the guest has ended.
//
// Parameters
//   - ptr: where the bytes are; NUL means nothing special
//   - len: how many
//
// There is no result.
//
// Errors
//   - a trap, PointerError: the bytes are out of bounds; the output before stands
//   - wasi.ErrInterrupted: the call ended while they were copied
//
// Nothing in memory changes. It is like write(1, ptr, len) in POSIX, of a file that is truncated first. See
// https://github.com/faasm/faasm/blob/main/docs/source/host_interface.md
func writeOutput(c *Call, mem guest.Memory, a Args) (uint64, error) {
	ptr, n := a.U32(0), a.U32(1)
	b, ok := mem.Bytes(ptr, n)
	if !ok {
		return 0, &PointerError{"__faasm_write_output", ptr, n, uint64(len(mem))}
	}
	return 0, c.writeOutput(b)
}

// backtrace writes the guest's stack to its stderr, a line "  at function" for each frame. Without an engine there is
// nothing to write.
//
// Parameters
//   - depth: how many frames, innermost first; 0 or less is all of them, to 128
//
// There is no result and no error; nothing in memory changes. It is like backtrace_symbols_fd(…, 2) of glibc. See
// https://github.com/faasm/faasm/blob/main/docs/source/host_interface.md
func backtrace(c *Call, _ guest.Memory, a Args) (uint64, error) {
	if c.Guest == nil {
		return 0, nil
	}
	frames := c.Guest.Backtrace()
	depth := int(int32(a.U32(0)))
	if depth <= 0 || depth > maxBacktrace {
		depth = maxBacktrace
	}
	var line []byte
	for _, f := range frames[:min(depth, len(frames))] {
		line = append(append(line[:0], "  at "...), f.Function...)
		if f.Offset != 0 {
			line = strconv.AppendUint(append(line, " +0x"...), uint64(f.Offset), 16)
		}
		c.WASI.Stderr.Write(append(line, '\n'))
	}
	return 0, nil
}
