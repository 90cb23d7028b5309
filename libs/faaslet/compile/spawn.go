//go:build linux && cgo

package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"golang.org/x/sys/unix"
)

const (
	argv0  = "shoal-compile" // the child's name in a process list
	marker = "SHOAL_COMPILE_CHILD"
	nobody = 65534
	nice   = 5

	jobCompile = "compile"
	jobCapture = "capture"
	jobProbe   = "probe"
)

// order is what the child is told, in its only environment variable.
type order struct {
	Job    string        `json:"job"`
	Parent int           `json:"parent"` // process id
	Memory faas.Size     `json:"memory"`
	Space  faas.Size     `json:"space,omitempty"` // that is reserved and not used
	CPU    time.Duration `json:"cpu"`
}

const ownUser = "own user and network namespace"

// namespaces are the ways to leave the network, the best first. It is never changed.
var namespaces = []struct {
	name string
	attr syscall.SysProcAttr
}{
	{"own network namespace", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}},
	{ownUser, syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}},
	{"", syscall.SysProcAttr{}},
}

// child starts a child, feeds it and waits for it, and leaves nothing behind. It must have its goroutine for itself, and
// returns what is left to do on the caller's: judging.
func (c Compiler) child(ctx context.Context, job string, module []byte) func() (Result, error) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return func() (Result, error) {
			return Result{}, faas.Errorf(faas.Internal, "give up privileges for the compile child: %v", err)
		}
	}
	// The child inherits the priority of this thread. It is the compiler that waits, not the calls.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
	// Go's own descriptors are closed on exec, but for those that somebody left to this process, or that C opened.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	o := order{Job: job, Parent: os.Getpid(), Memory: c.Memory, CPU: c.CPU}
	if job == jobCapture {
		o.Space = faaslet.Reserve
	}
	spec, err := json.Marshal(o)
	if err != nil {
		return func() (Result, error) { return Result{}, faas.Errorf(faas.Internal, "%v", err) }
	}
	for _, ns := range namespaces {
		stdout, stderr := &bounded{limit: int64(c.artefact) + 1<<20}, &bounded{limit: maxStderr, quiet: true}
		cmd := exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Args = []string{argv0}
		// A child built with the race detector would wait a second at its end, for threads that it does not have.
		cmd.Env = []string{marker + "=" + string(spec), "GORACE=atexit_sleep_ms=0"}
		cmd.Dir = "/"
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(module), stdout, stderr
		cmd.WaitDelay = time.Second
		attr := ns.attr
		attr.Pdeathsig = syscall.SIGKILL
		attr.Setsid = true
		if attr.Cloneflags&syscall.CLONE_NEWUSER != 0 {
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
		}
		cmd.SysProcAttr = &attr
		err = cmd.Start()
		if err != nil && ns.name != "" && ctx.Err() == nil && !errors.Is(err, os.ErrNotExist) {
			continue // what the kernel does not let us have, the next way does without
		}
		if err == nil {
			err = cmd.Wait()
		}
		return func() (Result, error) {
			return c.judge(ctx, job, cmd, Confinement{Network: ns.name}, err, stdout, stderr.String())
		}
	}
	return func() (Result, error) { return Result{}, faas.Errorf(faas.Internal, "start compile child: %v", err) }
}
