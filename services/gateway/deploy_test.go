package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// staged returns the names of what is staged.
func (f *fixture) staged(t *testing.T) []string {
	t.Helper()
	js, err := jetstream.New(f.nc)
	if err != nil {
		t.Fatal(err)
	}
	store, err := objectstore.Open(t.Context(), js, bus.ModulesBucket, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	infos, err := store.List(t.Context(), "staging/")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(infos))
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}

// awaitUnstaged returns when nothing is staged any more.
func (f *fixture) awaitUnstaged(t *testing.T) {
	t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		names := f.staged(t)
		if len(names) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("left in staging: %v", names)
		}
	}
}

// uploads plays an upload service.
func (f *fixture) uploads(t *testing.T, answer func(m *nats.Msg, req bus.UploadRequest)) {
	t.Helper()
	if _, err := f.nc.QueueSubscribe(bus.UploadSubject(), bus.UploadQueue, func(m *nats.Msg) {
		req, err := bus.Unmarshal[bus.UploadRequest](m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		answer(m, req)
	}); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
}

// A deploy whose client leaves is given up: the upload services hear of it, and nothing stays in staging.
func TestDeployClientLeaves(t *testing.T) {
	f := start(t)
	cancels := bustest.Subscribe(t, f.nc, bus.UploadCancelSubject())
	taken := make(chan bus.UploadRequest, 1)
	f.uploads(t, func(m *nats.Msg, req bus.UploadRequest) {
		if err := f.nc.Publish(m.Reply, bus.Marshal(bus.UploadProgress{State: bus.UploadRunning})); err != nil {
			t.Error(err)
		}
		taken <- req
	})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		req, _ := http.NewRequestWithContext(ctx, "PUT", f.url+"/v1/functions/demo/slow", strings.NewReader("module"))
		if resp, err := http.DefaultClient.Do(req); err == nil {
			t.Errorf("answered %s", resp.Status)
			resp.Body.Close()
		}
	}()
	req := <-taken
	if got := f.staged(t); len(got) != 1 || got[0] != req.Object || !req.Progress || req.Version != faas.VersionOf([]byte("module")) {
		t.Errorf("staged %v, request %+v", got, req)
	}
	leave()
	<-ended
	m := bustest.Receive(t, cancels, 5*time.Second, "the cancellation")
	c, err := bus.Unmarshal[bus.UploadRequest](m.Data)
	if err != nil || c.Kind != bus.CancelDeploy || c.Object != req.Object || c.Name != req.Name {
		t.Errorf("cancellation %+v, %v", c, err)
	}
	f.awaitUnstaged(t)
}

// A deploy that is refused, or that nobody takes, leaves nothing in staging, and its answer says why.
func TestDeployRefused(t *testing.T) {
	f := start(t)
	cancels := bustest.Subscribe(t, f.nc, bus.UploadCancelSubject())
	resp, body := f.do(t, "PUT", "/v1/functions/demo/a", "module")
	if resp.StatusCode != 503 || !strings.Contains(body, "no upload service is there") {
		t.Errorf("without a service: %s %s", resp.Status, body)
	}
	f.awaitUnstaged(t)
	f.uploads(t, func(m *nats.Msg, req bus.UploadRequest) {
		for _, s := range []bus.UploadState{bus.UploadWaiting, bus.UploadRunning} {
			if err := f.nc.Publish(m.Reply, bus.Marshal(bus.UploadProgress{State: s})); err != nil {
				t.Error(err)
			}
		}
		code := faas.RateLimited
		if req.Name.Function == "b" {
			code = faas.NoCapacity
		}
		if err := f.nc.PublishMsg(bus.EncodeError(faas.Errorf(code, "enough"), m.Reply)); err != nil {
			t.Error(err)
		}
	})
	for path, status := range map[string]int{"/v1/functions/demo/a": 429, "/v1/functions/demo/b": 503} {
		if resp, body = f.do(t, "PUT", path, "module"); resp.StatusCode != status || !strings.Contains(body, "enough") {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
		if got := f.staged(t); len(got) != 0 {
			t.Errorf("left in staging: %v", got)
		}
	}
	bustest.Flush(t, f.nc)
	select {
	case m := <-cancels:
		t.Errorf("cancelled what had ended: %s", m.Data)
	default:
	}
}

// A body that breaks off leaves nothing in staging and reaches no upload service.
func TestDeployBrokenOff(t *testing.T) {
	f := start(t)
	f.uploads(t, func(*nats.Msg, bus.UploadRequest) { t.Error("a broken module was deployed") })
	ctx, leave := context.WithCancel(t.Context())
	body := &breaking{left: 1 << 20, then: leave}
	req, err := http.NewRequestWithContext(ctx, "PUT", f.url+"/v1/functions/demo/a", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		t.Errorf("answered %s", resp.Status)
		resp.Body.Close()
	}
	f.awaitUnstaged(t)
}

// breaking is a body that calls then in its middle.
type breaking struct {
	left int
	then func()
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.then()
		return 0, context.Canceled
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}
