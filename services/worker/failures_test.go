package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// troubled fails Open with err, which a test sets, and counts; without one it asks the Artefacts.
type troubled struct {
	Artefacts
	mu     sync.Mutex
	err    error
	lost   string // what the next Open returns instead
	opened int
}

func (a *troubled) Open(ctx context.Context, v faas.Version) (string, func(), error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened++
	if a.err != nil {
		return "", nil, a.err
	}
	if path := a.lost; path != "" {
		a.lost = ""
		return path, func() {}, nil
	}
	return a.Artefacts.Open(ctx, v)
}

func (a *troubled) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

var errFull = fmt.Errorf("fetch artefact 1234: %w", &os.PathError{Op: "write", Path: "/var/lib/my shoal/x.part", Err: syscall.ENOSPC})

// TestLoadFails defends that a worker which can't load a module refuses its calls, so that others get them, and says so.
func TestLoadFails(t *testing.T) {
	a := &troubled{err: errFull}
	f := start(t, func(c *Config) { a.Artefacts, c.Artefacts = c.Artefacts, a })
	v := f.artefacts.Add(watEcho)
	r := result(t, f.send(t, f.call(echo, v, 5*time.Second)))
	const why = "can't load the module of demo/echo: fetch artefact 1234: write …: no space left on device"
	if faas.CodeOf(r.Err) != faas.NoCapacity || !strings.HasSuffix(r.Err.Message, why) {
		t.Errorf("result %+v", r.Err)
	}
	if err := f.modules.check(); err == nil || strings.Contains(err.Error(), "/var") {
		t.Errorf("check says %v", err)
	}
	a.set(nil)
	until(t, "the call is taken again", func() bool {
		return result(t, f.send(t, f.call(echo, v, 5*time.Second))).Err == nil
	})
	if err := f.modules.check(); err != nil {
		t.Errorf("after a load: %v", err)
	}
	a.set(faas.Errorf(faas.InvalidModule, "it is no module"))
	if r := result(t, f.send(t, f.call(echo, faas.VersionOf(nil), time.Second))); faas.CodeOf(r.Err) != faas.InvalidModule {
		t.Errorf("a module's own fault: %+v", r.Err)
	}
	if err := f.modules.check(); err != nil {
		t.Errorf("after a module's own fault: %v", err)
	}
}

// TestFileLost defends that a file which is deleted between Open and the engine's load is had again.
func TestFileLost(t *testing.T) {
	engine := faaslettest.Engine(t)
	artefacts := faaslettest.NewArtefacts(t, engine)
	a := &troubled{Artefacts: artefacts, lost: filepath.Join(t.TempDir(), "gone")}
	ms := newModules(engine, a, 0, slog.New(slog.DiscardHandler))
	defer ms.close()
	v := artefacts.Add(watEcho)
	if _, err := ms.load(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	ms.release(v)
	if a.opened != 2 {
		t.Errorf("opened %d times", a.opened)
	}
}

func TestLoadRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := &troubled{err: errFull}
		ms := newModules(nil, a, 0, slog.New(slog.NewTextHandler(&log, nil)))
		defer ms.close()
		v := faas.VersionOf(nil)
		for range 1000 { // 100 s
			if _, err := ms.load(t.Context(), v); err == nil {
				t.Fatal("loaded")
			}
			if ms.check() == nil {
				t.Fatal("ready while it fails")
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if a.opened != 8 { // after 0, 1, 3, 7, 15, 31, 61 and 91 s
			t.Errorf("tried %d times", a.opened)
		}
		if n := strings.Count(log.String(), "module not loaded"); n != 5 { // after 0, 15, 31, 61 and 91 s
			t.Errorf("logged %d times:\n%s", n, &log)
		}
		time.Sleep(failedLately)
		if err := ms.check(); err != nil {
			t.Errorf("30 s later: %v", err)
		}
	})
}

func TestPathless(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errFull, "fetch artefact 1234: write …: no space left on device"},
		{&os.LinkError{Op: "rename", Old: "/a b", New: "/c d", Err: syscall.EIO}, "rename … …: input/output error"},
		{fmt.Errorf("load artefact: failed to read '/data/x.cwasm'\nagain"), "load artefact: failed to read '…'; again"},
		{fmt.Errorf("compile: %w", faas.Errorf(faas.Internal, "start compile child: open data/x: %v", syscall.EACCES)), "start compile child: open …: permission denied"},
	} {
		if got := pathless(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
