package suite

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/services/standalone"
)

// Guarantee 4, under load: new versions, settings and restored old ones fail no call, and a call that starts after the
// answer to a PUT never runs an older version.
func TestRedeployUnderLoad(t *testing.T) {
	s := start(t, standalone.Config{Queue: 64})
	const versions, clients = 12, 6
	modules := make([][]byte, versions)
	for i := range modules {
		modules[i] = wasm(t, watSays(fmt.Sprint(i)))
	}
	s.Deploy(t, "t/load", modules[0])
	var answered atomic.Int64 // the last version whose PUT was answered
	var calls atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range clients {
		d := doors(t, s, "t/load")[c%2]
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := answered.Load()
				out, err := d.call(t.Context(), nil)
				var v int64
				if err == nil {
					_, err = fmt.Sscan(string(out), &v)
				}
				if err != nil || v < least {
					t.Errorf("over %s: %q, %v; version %d was answered before", d.name, out, err, least)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range versions {
		s.Deploy(t, "t/load", modules[i])
		answered.Store(int64(i))
		s.Must(t, framework.Request{
			Method: http.MethodPatch, Path: "/v1/functions/t/load", Body: fmt.Appendf(nil, `{"memory":"%dMiB"}`, i+1),
			Header: http.Header{"Content-Type": {"application/merge-patch+json"}},
		})
		for seen := calls.Load(); calls.Load() < seen+10 && !t.Failed(); { // let some run
			stillAnswers(t, s)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d calls", calls.Load())
	s.AwaitIdle(t)
}

// Guarantee 6: what is not for calls answers too.
func TestHealth(t *testing.T) {
	s := start(t, standalone.Config{Workers: 2, Slots: 3, Queue: 5})
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := s.Must(t, framework.Request{Path: path}); a.Status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := s.Must(t, framework.Request{Path: "/openapi.yaml"}); !bytes.HasPrefix(a.Body, []byte("openapi: 3.1")) {
		t.Errorf("/openapi.yaml begins with %.40q", a.Body)
	}
	ws := s.Workers(t)
	if len(ws) != 2 || ws[0].Slots.Total != 3 || ws[0].Slots.Room() != 5 || !strings.HasPrefix(string(ws[0].ID), ws[0].Name+"-") {
		t.Errorf("workers: %+v", ws)
	}
	used := map[string]bool{}
	for range 1000 { // both workers get calls when they come at once
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 8 {
			wg.Go(func() {
				a, err := s.Do(t.Context(), framework.Request{Method: http.MethodPost, Path: "/v1/call/t/echo"})
				mu.Lock()
				defer mu.Unlock()
				if err != nil || a.Err != nil {
					t.Errorf("a call with two workers: %v, %v", err, a.Err)
				}
				used[a.Header.Get("Shoal-Worker")] = true
			})
		}
		wg.Wait()
		if len(used) == 2 || t.Failed() {
			return
		}
	}
	t.Errorf("8000 calls went to %v only", used)
}
