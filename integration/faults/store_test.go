package faults

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/testenv"
)

// smallDisk mounts a file system of 64 MiB and returns its directory.
func smallDisk(t *testing.T) string {
	t.Helper()
	testenv.Need(t, testenv.Root)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// padded returns module with a custom section of n random bytes.
func padded(module []byte, n int) []byte {
	body := make([]byte, 1, n+4)
	body[0] = 3
	body = append(body, "pad"...)
	noise := make([]byte, n)
	_, _ = rand.Read(noise) // never fails
	body = append(body, noise...)
	out := append(module[:len(module):len(module)], 0)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...)
}

// TestStoreTooSmall defends promise 5 where nothing died: a deploy that the store has no room for is refused with
// unavailable and words that say so, what is deployed is called as before, and what fits is deployed at once.
func TestStoreTooSmall(t *testing.T) {
	testenv.Long(t, "a cluster of processes runs under load for seconds")
	disk := smallDisk(t)
	c, ls := start(t, framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 2, Store: filepath.Join(disk, "nats")})
	g := c.Gateways[0]
	l := ls.run(usual(), everybody(t, c)...)
	l.awaitProgress(t, 50)
	_, err := g.Deploy(t.Context(), faas.Name{Tenant: "t", Function: "big"}, padded(guest(t, 2), 60<<20))
	wantUnavailable(t, err, "store is full")
	l.awaitProgress(t, 100)
	c.Deploy(t, echo, guest(t, 5))
	if r, err := g.Call(t.Context(), echo, make([]byte, 8)); err != nil || r.Output[0] != 5 {
		t.Errorf("a call of what was deployed then: %v, %v", r.Output, err)
	}
	l.end()
	ls.settle(t)
	l.check(t, history.Rules{})
}

// TestDiskFull defends promise 5 when somebody fills the disk under JetStream: deploys fail with unavailable and words that
// say what to do, and what is deployed is called as before. NATS servers write to a stream no more that has met a full
// disk, so it takes space and a restart of the server: then deploys work.
func TestDiskFull(t *testing.T) {
	testenv.Long(t, "a cluster of processes runs under load for seconds")
	disk := smallDisk(t)
	c, ls := start(t, framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 2, Store: filepath.Join(disk, "nats")})
	g := c.Gateways[0]
	l := ls.run(usual(), overHTTP(g, echo))
	l.awaitProgress(t, 50)
	ballast := fill(t, disk)
	_, err := g.Deploy(t.Context(), faas.Name{Tenant: "t", Function: "big"}, padded(guest(t, 2), 8<<20))
	wantUnavailable(t, err, "full disk")
	l.awaitProgress(t, 100)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	from := l.Since()
	c.NATS.Stop(t)
	c.NATS.Restart(t)
	g.AwaitReady(t)
	c.AwaitWorkers(t, len(c.Workers))
	testenv.Eventually(t, patience, func() bool {
		_, err := g.Deploy(t.Context(), echo, guest(t, 5))
		return err == nil
	}, "a deploy does not work again")
	l.awaitPast(t, l.Since()+toKilled)
	to := l.Since()
	l.awaitProgress(t, 50)
	if r, err := g.Call(t.Context(), echo, make([]byte, 8)); err != nil || r.Output[0] != 5 {
		t.Errorf("a call of what was deployed then: %v, %v", r.Output, err)
	}
	l.end()
	ls.settle(t)
	l.check(t, history.Rules{
		Faults:     []history.Fault{fault("restart", from, to-from)},
		Allowed:    []faas.Code{faas.Unavailable, faas.NoCapacity}, // the latter while workers are not back, as in TestNATSRestarted
		MaxFailure: toKilled,
	})
}

// wantUnavailable fails t unless err has that code and a word in its message.
func wantUnavailable(t *testing.T, err error, word string) {
	t.Helper()
	if codeOf(err) != faas.Unavailable || !strings.Contains(err.Error(), word) {
		t.Errorf("a deploy into a full store: %v, want %s and %q", err, faas.Unavailable, word)
	}
}

// fill takes what is left of the disk with a file.
func fill(t *testing.T, disk string) (path string) {
	path = filepath.Join(disk, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return path
}
