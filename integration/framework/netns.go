package framework

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/internal/testenv"
)

// Namespace is a network namespace that a test has made: its processes reach one another and nobody else. A nil Namespace
// is the test's own.
type Namespace struct {
	file *os.File
}

// NewNamespace makes a namespace with nothing but its loopback. It ends with t and its processes.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	n := new(Namespace)
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() { n.file.Close() })
	n.ip(t, "link", "set", "lo", "up")
	return n
}

// Do runs f on a thread that is in n. What f does in other goroutines is done outside.
func (n *Namespace) Do(f func() error) error {
	if n == nil {
		return f()
	}
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread that may leave its network namespace, and brings the thread back.
func onThread(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		panic("framework: a thread is lost in a network namespace: " + back.Error())
	}
	runtime.UnlockOSThread()
	return err
}

// DialContext connects within n to a literal IPv4 address. (For such an address package net makes the socket on the
// calling goroutine, which is what counts: a socket stays in the namespace of the thread that made it.)
func (n *Namespace) DialContext(ctx context.Context, _, address string) (c net.Conn, err error) {
	err = n.Do(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, "tcp4", address)
		return err
	})
	return c, err
}

// Dial is DialContext, as nats.CustomDialer has it.
func (n *Namespace) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	return n.DialContext(ctx, network, address)
}

// Link is a cable between two namespaces.
type Link struct {
	a    *Namespace
	port string
}

// Join lays a cable from a to b, with an address in the same /24 at each end.
func Join(t testing.TB, a *Namespace, addrA string, b *Namespace, addrB string) *Link {
	t.Helper()
	a.ip(t, "link", "add", "port0", "type", "veth", "peer", "name", "port1")
	b.take(t, a, "port1")
	a.ip(t, "addr", "add", addrA+"/24", "dev", "port0")
	b.ip(t, "addr", "add", addrB+"/24", "dev", "port1")
	a.ip(t, "link", "set", "port0", "up")
	b.ip(t, "link", "set", "port1", "up")
	l := &Link{a, "port0"}
	testenv.Eventually(t, patience, func() bool {
		var c net.Conn
		err := a.Do(func() (err error) {
			c, err = net.Dial("udp4", addrB+":9")
			return err
		})
		if err == nil {
			c.Close()
		}
		return err == nil
	}, "no route between the namespaces")
	return l
}

// Cut cuts the cable: what is sent is lost, and nobody is told.
func (l *Link) Cut(t testing.TB) { t.Helper(); l.a.ip(t, "link", "set", l.port, "down") }

// Mend makes it whole.
func (l *Link) Mend(t testing.TB) { t.Helper(); l.a.ip(t, "link", "set", l.port, "up") }

// take brings a port of from into n.
func (n *Namespace) take(t testing.TB, from *Namespace, port string) {
	t.Helper()
	from.run(t, n.file, "link", "set", port, "netns", "/proc/self/fd/3")
}

// ip runs ip(8) in n.
func (n *Namespace) ip(t testing.TB, args ...string) { t.Helper(); n.run(t, nil, args...) }

func (n *Namespace) run(t testing.TB, extra *os.File, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", args...)
	if extra != nil {
		cmd.ExtraFiles = []*os.File{extra}
	}
	var out []byte
	err := n.Do(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}
