//go:build linux && cgo

package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Defaults of a Compiler. They let a module of faas.MaxModule through on a machine of two cores.
const (
	DefaultMemory = 4 * faas.GiB
	DefaultCPU    = 10 * time.Minute
	DefaultWall   = 5 * time.Minute
	MaxArtefact   = 2 * faas.GiB
)

const maxStderr = 16 << 10

// What a module may take of it by its size, within the Compiler's limits: several times what toolchains' modules do, which
// is about a second of processor time and 3 MiB of artefact for each MiB. A small module that needs more is made for it.
const (
	cpuBase, cpuPerMiB           = 10 * time.Second, 10 * time.Second
	memoryBase, memoryPerMiB     = 1 * faas.GiB, 64 * faas.MiB
	artefactBase, artefactPerMiB = 16 * faas.MiB, 64 * faas.MiB
)

// within returns c with limits that are no more than a module of size bytes may take.
func (c Compiler) within(size int) Compiler {
	mib := faas.Size(size>>20) + 1
	c.CPU = min(c.CPU, cpuBase+time.Duration(mib)*cpuPerMiB)
	c.Memory = min(c.Memory, memoryBase+mib*memoryPerMiB)
	c.artefact = min(MaxArtefact, artefactBase+mib*artefactPerMiB)
	return c
}

// Compiler compiles modules, each in a child of its own. The zero value has the defaults. It is safe for concurrent use;
// how many children there may be at once is up to the caller.
type Compiler struct {
	Memory faas.Size     // that the child may take, at most
	CPU    time.Duration // processor time of the child, at most; whole seconds
	Wall   time.Duration // of a compilation, at most; ctx may say less

	artefact faas.Size // of the artefact, at most; within sets it
}

// Result is what a child came back with.
type Result struct {
	Artefact    []byte
	Confinement Confinement
	CPU         time.Duration // that it took

	captured *captured
}

// Compile returns the artefact of module for this machine's processor and this program's engine. Errors are *faas.Error:
// invalid_module when the compiler refuses the module, with its reason, or when the module needs more than a limit, which
// is named, that of the Compiler or that of a module of its size; deadline_exceeded or cancelled, or its cause, when ctx ended; internal when the child crashed or could not be
// started.
func (c Compiler) Compile(ctx context.Context, module []byte) ([]byte, error) {
	r, err := c.Run(ctx, module)
	return r.Artefact, err
}

// Run is Compile with what else is to know of the child. The Confinement is there also when an error is, as far as the
// child got.
func (c Compiler) Run(ctx context.Context, module []byte) (Result, error) {
	return c.withDefaults().within(len(module)).spawn(ctx, jobCompile, module)
}

// Probe starts a child that compiles nothing, and returns what confines it on this machine.
func (c Compiler) Probe(ctx context.Context) (Confinement, error) {
	r, err := c.withDefaults().within(0).spawn(ctx, jobProbe, nil)
	return r.Confinement, err
}

func (c Compiler) withDefaults() Compiler {
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.CPU <= 0 {
		c.CPU = DefaultCPU
	}
	if c.Wall <= 0 {
		c.Wall = DefaultWall
	}
	return c
}

// errWall is the cause of the Compiler's own wall limit.
var errWall = errors.New("wall limit")

// spawn does a job in a child. c has its limits.
func (c Compiler) spawn(ctx context.Context, job string, input []byte) (Result, error) {
	if !armed.Load() {
		return Result{}, faas.Errorf(faas.Internal, "this program can't compile: its main does not call compile.MaybeChild")
	}
	if ctx.Err() != nil {
		return Result{}, c.endOf(ctx, job)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Wall, errWall)
	defer cancel()
	done := make(chan func() (Result, error))
	// The goroutine keeps its thread, gives up privileges on it and takes it with it when it ends: the child dies with the
	// thread that made it.
	go func() { done <- c.child(ctx, job, input) }()
	return (<-done)()
}

// judge turns the end of a child into a Result or an error.
func (c Compiler) judge(ctx context.Context, job string, cmd *exec.Cmd, conf Confinement, err error, stdout *bounded, stderr string) (Result, error) {
	r := Result{Confinement: conf}
	if s := cmd.ProcessState; s != nil {
		r.CPU = s.UserTime() + s.SystemTime()
	}
	var exit *exec.ExitError
	switch {
	case stdout.over && job != jobCompile:
		return r, c.tooMuch(job, c.artefact.String()+" for what it answers")
	case stdout.over:
		return r, faas.Errorf(faas.InvalidModule, "its compiled code is larger than %s", c.artefact)
	case err != nil && ctx.Err() != nil:
		return r, c.endOf(ctx, job)
	case errors.As(err, &exit):
		return r, c.crashed(job, exit, r.CPU, stderr)
	case err != nil:
		return r, faas.Errorf(faas.Internal, "run %s child: %v", job, err)
	}
	reply, artefact, err := parseReply(stdout.Bytes())
	if err != nil {
		return r, faas.Errorf(faas.Internal, "%s child: %v", job, err)
	}
	conf = reply.Confinement
	conf.Network = r.Confinement.Network // only the parent knows
	if conf.Network == ownUser {
		conf.User = "" // what is nobody in there is the worker's user on the machine
	}
	r.Confinement = conf
	if e := reply.Err; e != nil {
		if e.Code == faas.Internal && outOfMemory(e.Message) {
			return r, c.tooMuch(job, c.Memory.String()+" of memory")
		}
		return r, e
	}
	r.Artefact, r.captured = artefact, reply.Captured
	return r, nil
}

// crashed says which limit ended the child, if one did.
func (c Compiler) crashed(job string, exit *exec.ExitError, cpu time.Duration, stderr string) *faas.Error {
	status, _ := exit.Sys().(syscall.WaitStatus)
	signalled := status.Signaled()
	switch {
	case signalled && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGXCPU) && cpu+time.Second > c.CPU:
		return c.tooMuch(job, faas.Duration(c.CPU).String()+" of processor time")
	case outOfMemory(stderr):
		return c.tooMuch(job, c.Memory.String()+" of memory")
	case signalled && status.Signal() == syscall.SIGKILL:
		return faas.Errorf(faas.Internal, "the compile child was killed (the machine may be out of memory)")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return faas.Errorf(faas.Internal, "the %s child crashed (%s): %s", job, exit, line)
}

// tooMuch blames the module for what compiling it needs. What capturing needs is the engine's as much as the guest's, whose
// own limits are others.
func (c Compiler) tooMuch(job, what string) *faas.Error {
	if job == jobCompile {
		return faas.Errorf(faas.InvalidModule, "compiling it needs more than %s", what)
	}
	return faas.Errorf(faas.Internal, "the %s child needs more than %s", job, what)
}

// outOfMemory reports whether text has the words of an allocator that was refused: Rust's, Go's, the C library's.
func outOfMemory(text string) bool {
	for _, w := range []string{
		"memory allocation of", "out of memory", "annot allocate memory", "os error 12", "pthread_create failed",
		"failed to spawn thread", "failed to create new OS thread",
	} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// endOf says why ctx, which is done, ended.
func (c Compiler) endOf(ctx context.Context, job string) *faas.Error {
	cause := context.Cause(ctx)
	var e *faas.Error
	switch {
	case errors.Is(cause, errWall):
		return c.tooMuch(job, faas.Duration(c.Wall).String())
	case errors.As(cause, &e):
		return e
	case errors.Is(cause, context.DeadlineExceeded):
		return faas.Errorf(faas.DeadlineExceeded, "the %s child ran out of time", job)
	}
	return faas.Errorf(faas.Cancelled, "the %s child was cancelled", job)
}

// bounded keeps what is written to it, up to a limit. Past it, it fails, or drops the rest where quiet.
type bounded struct {
	bytes.Buffer
	limit int64
	quiet bool
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - int64(b.Len()); int64(len(p)) > room {
		b.over = true
		if !b.quiet {
			return 0, errors.New("too much output")
		}
		b.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// A reply is the magic, the length of its head in four bytes, the head in JSON and the artefact.
const magic = "shoal compile 1\n"

type reply struct {
	Err         *faas.Error `json:"err,omitempty"` // nil for success
	Confinement Confinement `json:"confinement"`
	Captured    *captured   `json:"captured,omitempty"`
	Size        int         `json:"size"` // of the artefact, or what was captured
}

func parseReply(b []byte) (reply, []byte, error) {
	var r reply
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < 4 {
		return r, nil, fmt.Errorf("%d bytes that are no reply", len(b))
	}
	n := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
	if rest = rest[4:]; n > len(rest) {
		return r, nil, errors.New("cut off reply")
	}
	if err := json.Unmarshal(rest[:n], &r); err != nil {
		return r, nil, fmt.Errorf("decode reply: %w", err)
	}
	if rest = rest[n:]; len(rest) != r.Size {
		return r, nil, fmt.Errorf("artefact of %d bytes, %d were announced", len(rest), r.Size)
	}
	if r.Err != nil && !r.Err.Code.Known() {
		r.Err.Code = faas.Internal
	}
	return r, rest, nil
}

func (r reply) write(f *os.File, artefact []byte) error {
	r.Size = len(artefact)
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	n := len(head)
	out := append([]byte(magic), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	if _, err := f.Write(append(out, head...)); err != nil {
		return err
	}
	_, err = f.Write(artefact)
	return err
}
