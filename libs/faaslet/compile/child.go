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
	limit(o, &c)
	r := reply{Confinement: c}
	var artefact []byte
	if o.Job == jobCompile {
		artefact, err = translate(module)
		if err != nil {
			e := faas.AsError(err)
			r.Code, r.Reason = e.Code, e.Message
		}
	}
	return r.write(os.Stdout, artefact)
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

// limit takes from this process what it does not need to compile, and notes what worked.
func limit(o order, c *Confinement) {
	space, data := sizes()
	set := func(what int, n uint64) bool {
		r := unix.Rlimit{Cur: n, Max: n}
		return unix.Setrlimit(what, &r) == nil
	}
	_ = set(unix.RLIMIT_CORE, 0)
	memory := uint64(o.Memory)
	c.Memory = space > 0 && set(unix.RLIMIT_DATA, data+memory)
	// Of address space there may be more: each thread's allocator reserves some that it does not use.
	c.Memory = set(unix.RLIMIT_AS, space+memory+uint64(runtime.NumCPU())<<28) && c.Memory
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
