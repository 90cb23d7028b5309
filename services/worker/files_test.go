package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
	"github.com/shoal-run/shoal/libs/vfs"
)

// sharedFiles is a Files that a test writes.
type sharedFiles struct {
	answer func(ctx context.Context) error

	mu     sync.Mutex
	asked  []uint64 // revisions
	wanted []string // tenants
}

func (s *sharedFiles) For(ctx context.Context, _ string, revision uint64) (vfs.Shared, error) {
	s.mu.Lock()
	s.asked = append(s.asked, revision)
	s.mu.Unlock()
	return nil, s.answer(ctx)
}

func (s *sharedFiles) Want(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = append(s.wanted, tenant)
}

// A call of a function that may open files has the shared files of its tenant asked for, with the revision that its holder
// says; others cost nothing. Files that are not known are the worker's lack, and end with the call.
func TestCallsGetFiles(t *testing.T) {
	away := errors.New("the index is away")
	for name, c := range map[string]struct {
		imports []faas.Import
		answer  func(context.Context) error
		asks    bool
		code    faas.Code
	}{
		"imports unknown": {asks: true},
		"opens files":     {imports: []faas.Import{{Module: "wasi_snapshot_preview1", Name: "path_open"}}, asks: true},
		"lists files":     {imports: []faas.Import{{Module: "wasi_snapshot_preview1", Name: "fd_readdir"}}, asks: true},
		"no files":        {imports: []faas.Import{{Module: "wasi_snapshot_preview1", Name: "fd_write"}}},
		"no imports":      {imports: []faas.Import{}},
		"not known":       {answer: func(context.Context) error { return away }, asks: true, code: faas.NoCapacity},
		"waits":           {answer: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, asks: true, code: faas.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			shared := &sharedFiles{answer: func(context.Context) error { return nil }}
			if c.answer != nil {
				shared.answer = c.answer
			}
			f := start(t, func(cfg *Config) { cfg.Files = shared })
			v := f.artefacts.Add(watEcho)
			f.functions.set(faas.Function{Name: echo, Version: v, Imports: c.imports})
			call := f.call(echo, v, 500*time.Millisecond)
			if c.code == "" {
				call.Timeout = 20 * time.Second
			}
			call.Files = 7
			r := result(t, f.send(t, call))
			if r.Err == nil && c.code != "" || r.Err != nil && r.Err.Code != c.code {
				t.Errorf("ended with %v, want %q", r.Err, c.code)
			}
			if c.code == faas.NoCapacity && !strings.Contains(r.Err.Message, away.Error()) {
				t.Errorf("%q does not say why", r.Err.Message)
			}
			shared.mu.Lock()
			defer shared.mu.Unlock()
			if asked := len(shared.asked) == 1 && shared.asked[0] == 7; asked != c.asks || len(shared.asked) > 1 {
				t.Errorf("asked for %v", shared.asked)
			}
			if wanted := len(shared.wanted) == 1 && shared.wanted[0] == echo.Tenant; wanted != c.asks {
				t.Errorf("wanted %v", shared.wanted)
			}
		})
	}
}

// noContents are contents that can't be opened.
type noContents struct{ err error }

func (n noContents) Open(context.Context, string, faas.File) (vfs.Content, error) { return nil, n.err }

// A shared file that can't be opened is counted by why, whether or not a fetch had begun, and logged once in a second at
// most. A call that ended meanwhile is no reason to look at the worker.
func TestFilesNotOpenedAreTold(t *testing.T) {
	var m *metrics.Metrics
	var log bytes.Buffer
	told := &toldContents{
		failed: metrics.CountersOf(m.Group("test"), "test.failed", "", "code", faas.Codes()),
		log:    slog.New(slog.NewTextHandler(&log, nil)),
	}
	told.last.Store(time.Now().Add(time.Hour).Unix()) // something was just logged
	for _, err := range []error{
		faas.Errorf(faas.NoCapacity, "no room"), fmt.Errorf("fetch: %w", faas.Errorf(faas.Unavailable, "away")), errors.New("the disk is full"),
	} {
		told.Contents = noContents{err}
		if _, got := told.Open(t.Context(), "me", faas.File{Path: "a/b"}); !errors.Is(got, err) {
			t.Errorf("opened with %v, want %v", got, err)
		}
		if n := told.failed.Of(faas.CodeOf(err)).Value(); n != 1 {
			t.Errorf("%v was counted %d times", err, n)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged again within a second: %s", log.String())
	}
	told.last.Store(0)
	ended, end := context.WithCancel(t.Context())
	end()
	_, _ = told.Open(ended, "me", faas.File{})
	if n := told.failed.Of(faas.Internal).Value(); n != 1 || log.Len() > 0 {
		t.Errorf("the end of a call was counted, %d, or logged: %s", n, log.String())
	}
	_, _ = told.Open(t.Context(), "me", faas.File{Path: "a/b"})
	if line := log.String(); !strings.Contains(line, "file=a/b") || !strings.Contains(line, "tenant=me") || !strings.Contains(line, "the disk is full") {
		t.Errorf("logged %q", line)
	}
}
