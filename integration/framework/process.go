package framework

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/internal/testenv"
)

// Process is a program of ours as a process with its own pid. A test kills, freezes and starts it again; every start has
// the same arguments, addresses and data. Its methods are safe for concurrent use, but one at a time changes its life.
type Process struct {
	Name  string        // as tests and people call it: "worker w2"
	Space *Namespace    // where it runs; nil: where the test does
	Skew  time.Duration // how far its clock is ahead of the machine's

	program string
	args    []string
	ready   string // URL that answers 200 when it is ready; "" when a connection to address is enough
	address string
	logPath string
	http    *http.Client

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // of cmd
}

// newProcess returns a process that does not run yet.
func newProcess(name, program, dir string, space *Namespace, args ...string) *Process {
	return &Process{
		Name: name, Space: space, program: program, args: args,
		logPath: filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".log"),
		http:    &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: space.DialContext}},
	}
}

// Start starts it and returns at once.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if binaries == nil {
		t.Fatal("framework.Main is not the TestMain of this package")
	}
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", binaries[p.program].Fd()), p.args...)
	cmd.Args[0] = p.program
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.Space.Do(func() error { return startSkewed(cmd, p.Skew) }); err != nil {
		t.Fatalf("start %s: %v", p.Name, err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process, which cleanup kills and waits for
		defer close(ended)
		_ = cmd.Wait() // ProcessState says how it ended
	}()
	p.cmd, p.ended = cmd, ended
}

// environment is the test's, without settings of ours.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SHOAL_") {
			env = append(env, kv)
		}
	}
	return env
}

// current returns the present run.
func (p *Process) current() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.ended
}

// AwaitReady waits until it says that it is ready.
func (p *Process) AwaitReady(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool {
		_, ended := p.current()
		select {
		case <-ended:
			t.Fatalf("%s ended before it was ready: %s", p.Name, p.exit())
		default:
		}
		return p.Ready()
	}, "%s is not ready", p.Name)
}

// Ready reports whether it says that it is ready.
func (p *Process) Ready() bool {
	if p.ready == "" {
		c, err := p.Space.DialContext(context.Background(), "tcp4", p.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	resp, err := p.http.Get(p.ready)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Kill ends it as kill -9 does and returns when it is gone.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.signal(t, unix.SIGKILL)
	_, ended := p.current()
	<-ended
}

// Stop ends it as SIGTERM does, and waits until it has drained.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.signal(t, unix.SIGTERM)
	cmd, ended := p.current()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("%s did not stop within %v", p.Name, patience)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s stopped with %s", p.Name, p.exit())
	}
}

// Freeze stops it as SIGSTOP does: it keeps its connections and says nothing.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	p.signal(t, unix.SIGSTOP)
	testenv.Eventually(t, patience, func() bool { return p.state() == 'T' }, "%s did not freeze", p.Name)
}

// Thaw continues it after Freeze.
func (p *Process) Thaw(t testing.TB) {
	t.Helper()
	p.signal(t, unix.SIGCONT)
}

// Restart starts it again and waits until it is ready.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	p.Start(t)
	p.AwaitReady(t)
}

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	cmd, ended := p.current()
	if cmd == nil {
		t.Fatalf("%s was not started", p.Name)
	}
	select {
	case <-ended:
		t.Fatalf("%s runs no more: %s", p.Name, p.exit())
	default:
	}
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s of %s: %v", s, p.Name, err)
	}
}

// state returns the letter of its state in /proc, 0 when it has none.
func (p *Process) state() byte {
	cmd, _ := p.current()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	i := bytes.LastIndexByte(stat, ')')
	if err != nil || i < 0 || i+2 >= len(stat) {
		return 0
	}
	return stat[i+2]
}

// exit says how the last run ended.
func (p *Process) exit() string {
	cmd, ended := p.current()
	select {
	case <-ended:
		return cmd.ProcessState.String()
	default:
		return "still running"
	}
}

// Pid returns the process id of the present run.
func (p *Process) Pid() int {
	cmd, _ := p.current()
	return cmd.Process.Pid
}

// Log returns what it has logged, in all its runs.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// end kills it with all its children, whatever its state, and waits.
func (p *Process) end() {
	cmd, ended := p.current()
	if cmd == nil {
		return
	}
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // also a child that it left, and fails when there is none
	<-ended
}

// judge fails t for what no fault excuses, and shows the log when t has failed.
func (p *Process) judge(t testing.TB) {
	t.Helper()
	log := p.Log()
	for _, word := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if strings.Contains(log, word) {
			t.Errorf("%s: %s in its log", p.Name, strings.TrimSpace(word))
		}
	}
	if t.Failed() {
		if len(log) > maxShown {
			log = "[…]" + log[len(log)-maxShown:]
		}
		t.Logf("log of %s:\n%s", p.Name, log)
	}
}

// maxShown bounds what is shown of a process's log, in bytes.
const maxShown = 24 << 10

// freeAddress returns an address of host where nobody listens in the namespace, outside the range from which the kernel
// takes ports for connections: it stays free while its process is away.
func freeAddress(t testing.TB, space *Namespace, host string) string {
	t.Helper()
	var address string
	for range 1000 {
		ports.Lock()
		ports.next = ports.next%12000 + 1
		address = fmt.Sprintf("%s:%d", host, 20000+(ports.next+os.Getpid()*37)%12000)
		ports.Unlock()
		err := space.Do(func() error {
			l, err := net.Listen("tcp4", address)
			if err == nil {
				l.Close()
			}
			return err
		})
		if err == nil {
			return address
		}
	}
	t.Fatalf("no free port at %s", host)
	return ""
}

// ports hands every port out once per round.
var ports struct {
	sync.Mutex
	next int
}
