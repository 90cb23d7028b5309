package hostapi

import (
	"context"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/wasi"
)

// CallConfig is what a Call is made of. The zero value of every field works.
type CallConfig struct {
	Ctx       context.Context // ends host functions that block; nil never does
	Kind      faas.Kind       // of the module: a reactor's stdout is a log from the start; "" keeps it as a command's
	Input     []byte          // of the call; also stdin. Not copied, not changed
	Args      []string        // of the guest, the name of the program first
	Env       []string        // as "K=V"
	MaxOutput int             // bytes; 0 means faas.DefaultBody
	MaxLog    int             // bytes of each log stream; 0 means faas.DefaultLog
	Guest     Guest           // may be set later, on the Call
	Trace     *Trace          // nil writes nothing down

	Shared     vfs.Shared     // the tenant's files, as they are when the call begins; nil is none
	FileLimits vfs.Limits     // of the private layer over them; zero is the default
	Preopens   []wasi.Preopen // nil is the root, as "/"
	MaxFiles   int            // open descriptors; 0 means faas.OpenFiles
}

// Guest is what host functions need of the engine. It is valid during a host function of its Faaslet, on its thread.
type Guest interface {
	// Backtrace returns the guest's stack, innermost frame first; nil when it can't be had.
	Backtrace() []faas.Frame
	// Grow makes the memory so many pages larger, all zero, and returns it; false when it may not be that large.
	Grow(pages uint32) (guest.Memory, bool)
	// Malloc calls the guest's own malloc and returns what it did, 0 for no room, and the memory, which may have grown. An
	// error is the end of the guest: it has no malloc, or that did not return.
	Malloc(n uint32) (uint32, guest.Memory, error)
	// Mallocs reports whether there is a malloc to call.
	Mallocs() bool
	// Dlopen loads a library and those it needs, "" for the program itself, and returns its handle, or why not in words. An
	// error is the end of the guest.
	Dlopen(path string) (handle uint32, why string, _ error)
	// Dlsym returns the function pointer or the address of a symbol, or why there is none.
	Dlsym(handle uint32, name string) (value uint32, why string)
	// Dlclose reports whether there is such a handle.
	Dlclose(handle uint32) bool
}

// Call is what host functions see of the call they serve. It lives for one call and is not safe for concurrent use.
type Call struct {
	Input     []byte // not copied, not changed
	MaxOutput int    // bytes; beyond it the call fails with too_large
	MaxLog    int    // bytes that are kept of each log stream
	WASI      *wasi.System
	Guest     Guest  // nil where there is no engine
	Trace     *Trace // nil writes nothing down

	output   []byte // a copy of what the guest wrote last with __faasm_write_output
	wrote    bool   // __faasm_write_output was called
	pages    pages
	passwd   uint32 // where getpwuid has its struct, 0 before
	dlerror  string // what the next dlerror says, "" for nothing
	dltext   uint32 // where it has its text, 0 before
	overflow uint64 // size of the last __faasm_write_output when it passed MaxOutput, else 0
}

// NewCall makes a Call: Input becomes stdin; stdout and stderr become bounded streams. It allocates nothing for them
// before the guest writes.
func NewCall(cfg CallConfig) *Call {
	c := &Call{
		Input:     cfg.Input,
		MaxOutput: cfg.MaxOutput,
		MaxLog:    cfg.MaxLog,
		Guest:     cfg.Guest,
		Trace:     cfg.Trace,
	}
	if c.MaxOutput <= 0 {
		c.MaxOutput = int(faas.DefaultBody)
	}
	if c.MaxLog <= 0 {
		c.MaxLog = int(faas.DefaultLog)
	}
	c.WASI = &wasi.System{
		Ctx:    cfg.Ctx,
		Args:   cfg.Args,
		Env:    cfg.Env,
		Stdin:  cfg.Input,
		Stdout: wasi.NewOutput(c.MaxOutput),
		Stderr: wasi.NewLog(c.MaxLog),

		Shared:     cfg.Shared,
		FileLimits: cfg.FileLimits,
		Preopens:   cfg.Preopens,
		MaxFiles:   cfg.MaxFiles,
	}
	if cfg.Kind == faas.Reactor {
		c.WASI.Stdout.BecomeLog(c.MaxLog)
	}
	return c
}

// writeOutput makes a copy of b the call's output; the last one wins. From the first on, stdout is a log. The error is
// wasi.ErrInterrupted when the call ended meanwhile.
func (c *Call) writeOutput(b []byte) error {
	if !c.wrote {
		c.wrote = true
		c.WASI.Stdout.BecomeLog(c.MaxLog)
	}
	if len(b) > c.MaxOutput {
		c.output, c.overflow = nil, uint64(len(b))
		return nil
	}
	if cap(c.output) < len(b) {
		c.output = make([]byte, len(b))
	}
	c.output, c.overflow = c.output[:len(b)], 0
	if !c.WASI.Copy(c.output, b) {
		c.output = nil
		return wasi.ErrInterrupted
	}
	return nil
}

// Finish settles, after the guest has ended, what of its words is output and what is log, and returns them; the caller
// owns them and must not use c again. kind is the module's, whatever CallConfig said. stdout is the output of a command
// that did not fail and never called __faasm_write_output, and stdoutLog is empty then: what a failed guest had to say is
// for its log. Its files are gone. err is too_large when the output passed MaxOutput, else nil: a caller with a reason of its own for the call
// to fail puts that first.
func (c *Call) Finish(kind faas.Kind, failed bool) (output, stdoutLog, stderrLog []byte, err *faas.Error) {
	c.WASI.Close()
	stdout, stderr := c.WASI.Stdout, c.WASI.Stderr
	stderrLog = stderr.Log()
	if !c.wrote && kind != faas.Reactor && stdout.Refused() {
		err = faas.Errorf(faas.TooLarge, "the output on stdout has more than %d bytes", c.MaxOutput)
		failed = true
	}
	switch {
	case c.wrote && c.overflow > 0:
		return nil, stdout.Log(), stderrLog, faas.Errorf(faas.TooLarge, "the output has %d bytes, more than %d", c.overflow, c.MaxOutput)
	case c.wrote:
		return c.output, stdout.Log(), stderrLog, nil
	case kind == faas.Reactor || failed:
		stdout.BecomeLog(c.MaxLog)
		return nil, stdout.Log(), stderrLog, err
	}
	return stdout.Bytes(), nil, stderrLog, nil
}
