//go:build linux && cgo

package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"golang.org/x/sys/unix"
)

// Confinement says what holds a compile child back. The zero value of a field means that it does not hold.
type Confinement struct {
	Network    string `json:"network"`      // how it was taken off the network, "" when it was not
	User       string `json:"user"`         // whom it runs as, "" when that is the worker's own user
	NoNewPrivs bool   `json:"no_new_privs"` // it can't gain privileges
	Files      bool   `json:"files"`        // it can't open a file or a socket, or write to a file
	Memory     bool   `json:"memory"`       // it can't take more than its limit
	CPU        bool   `json:"cpu"`          // nor more processor time
	Parent     bool   `json:"parent"`       // it dies with its parent
	Inherited  bool   `json:"inherited"`    // it has no descriptors of its parent but its own three
	Priority   bool   `json:"priority"`     // it lets others go first
}

// Missing names what does not hold, in words; nil when everything does.
func (c Confinement) Missing() []string {
	var out []string
	for _, m := range []struct {
		holds bool
		what  string
	}{
		{c.Network != "", "the network"},
		{c.User != "", "the user"},
		{c.NoNewPrivs, "new privileges"},
		{c.Files, "files"},
		{c.Memory, "memory"},
		{c.CPU, "processor time"},
		{c.Parent, "the death of its parent"},
		{c.Inherited, "inherited descriptors"},
		{c.Priority, "priority"},
	} {
		if !m.holds {
			out = append(out, m.what)
		}
	}
	return out
}

// armed says that MaybeChild was called, without which a child would be a second copy of the whole program. It is set once
// and is state of the package because what it speaks of is the process.
var armed atomic.Bool

// MaybeChild does the job and ends the process when the process is a compile child, and else returns at once. It is the
// first thing that main does.
func MaybeChild() {
	armed.Store(true)
	spec, ok := os.LookupEnv(marker)
	if !ok || len(os.Args) != 1 || os.Args[0] != argv0 {
		return
	}
	if err := child(spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(spec string) error {
	runtime.LockOSThread() // the parent's death is told to a thread
	var o order
	if err := json.Unmarshal([]byte(spec), &o); err != nil {
		return fmt.Errorf("decode order: %w", err)
	}
	var c Confinement
	c.Inherited = onlyStdio()
	c.Priority = giveWay()
	c.User = dropUser()
	c.Parent = dieWith(o.Parent)
	if !c.Parent && os.Getppid() != o.Parent {
		return errors.New("the parent is gone")
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil {
		c.NoNewPrivs = n == 1
	}
	module, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read module: %w", err)
	}
	var r reply
	var payload []byte
	lower := sync.OnceFunc(func() { limit(o, &c) })
	switch o.Job {
	case jobCompile:
		lower()
		payload, err = translate(module)
	case jobCapture:
		r.Captured, payload, err = capture(module, lower)
	}
	lower() // at the latest
	if r.Confinement = c; err != nil {
		r.Err, payload = faas.AsError(err), nil
	}
	return r.write(os.Stdout, payload)
}

// translate compiles module in this process.
func translate(module []byte) ([]byte, error) {
	e, err := faaslet.NewEngine(faaslet.Config{Compiler: true})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.Compile(module)
}

// onlyStdio reports whether this process has inherited no descriptors but its first three. What it opened itself, as its
// runtime does, is closed on exec; what came through an exec is not.
func onlyStdio() bool {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return false
	}
	for _, f := range all {
		n, err := strconv.Atoi(f.Name())
		if err != nil || n <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 { // err: that of the directory, closed by now
			return false
		}
	}
	return true
}

// giveWay reports whether this process has the low priority that its parent began it with. Where the kernel shares time
// between sessions first, as it does for a process outside of any cgroup, the session gets a low one too.
func giveWay() bool {
	_ = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(nice)), 0)
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return err == nil && 20-n >= nice // the kernel's own numbers fall from 40 to 1
}

// dropUser becomes nobody where it may, and says so.
func dropUser() string {
	if os.Geteuid() == 0 {
		// In this order: without the user nothing else could be dropped any more.
		_ = syscall.Setgroups(nil)
		_ = syscall.Setresgid(nobody, nobody, nobody)
		_ = syscall.Setresuid(nobody, nobody, nobody)
	}
	if os.Geteuid() != nobody || os.Getuid() != nobody || os.Getegid() != nobody {
		return ""
	}
	return "nobody"
}

// dieWith makes the kernel kill this process when the thread that made it ends, and reports whether that parent was still
// there then. It comes after dropUser, which undoes it.
func dieWith(parent int) bool {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return false
	}
	return os.Getppid() == parent
}

// maxThreads is how many threads nobody may have, all its processes together.
const maxThreads = 4096

// limit takes from this process what it does not need to compile, and notes what worked.
func limit(o order, c *Confinement) {
	space, data := sizes()
	set := func(what int, n uint64) bool {
		r := unix.Rlimit{Cur: n, Max: n}
		return unix.Setrlimit(what, &r) == nil
	}
	_ = set(unix.RLIMIT_CORE, 0)
	if c.User != "" { // else it would count what else the worker's user runs
		_ = set(unix.RLIMIT_NPROC, maxThreads)
	}
	memory := uint64(o.Memory)
	c.Memory = space > 0 && set(unix.RLIMIT_DATA, data+memory)
	// Of address space there may be more: each thread's allocator reserves some that it does not use, as does a Faaslet.
	c.Memory = set(unix.RLIMIT_AS, space+memory+uint64(o.Space)+uint64(runtime.NumCPU())<<28) && c.Memory
	c.CPU = set(unix.RLIMIT_CPU, uint64((o.CPU+time.Second-1)/time.Second))
	c.Files = set(unix.RLIMIT_FSIZE, 0)
	c.Files = set(unix.RLIMIT_NOFILE, 0) && c.Files
}

// sizes returns how much address space and how much data this process has, in bytes, as the kernel counts them for
// RLIMIT_AS and RLIMIT_DATA; 0 when it does not say.
func sizes() (space, data uint64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		n, _ := strconv.ParseUint(fields[0], 10, 64)
		switch name {
		case "VmSize":
			space = n << 10
		case "VmData":
			data = n << 10
		}
	}
	return space, data
}
