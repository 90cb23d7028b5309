package service

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// probe returns what a probe gets.
func probe(h *Health, method, path string) (int, string) {
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// TestHealth takes a process through its life.
func TestHealth(t *testing.T) {
	var h Health
	bus := errors.New("the NATS server is away")
	for _, step := range []struct {
		what   string
		do     func()
		status int
		body   string
	}{
		{"at first", func() {}, 503, `{"status":"not ready: starting","checks":{}}`},
		{"with a check", func() { h.Check("bus", func() error { return bus }) }, 503, `{"status":"not ready: starting","checks":{"bus":"the NATS server is away"}}`},
		{"waiting", func() { h.Phase("waiting for the NATS server") }, 503, `{"status":"not ready: waiting for the NATS server","checks":{"bus":"the NATS server is away"}}`},
		{"up, and the check fails", func() { h.Phase("") }, 503, `{"status":"not ready: bus: the NATS server is away","checks":{"bus":"the NATS server is away"}}`},
		{"up", func() { bus = nil }, 200, `{"status":"ready","checks":{"bus":"ok"}}`},
		{"another of the same name", func() { h.Check("bus", func() error { return nil }) }, 200, `{"status":"ready","checks":{"bus":"ok"}}`},
		{"stopping", func() { h.Phase("stopping") }, 503, `{"status":"not ready: stopping","checks":{"bus":"ok"}}`},
	} {
		step.do()
		if status, body := probe(&h, http.MethodGet, "/readyz"); status != step.status || body != step.body {
			t.Errorf("%s: %d %s, want %d %s", step.what, status, body, step.status, step.body)
		}
		if status, body := probe(&h, http.MethodGet, "/healthz"); status != 200 || body != `{"status":"ok"}` {
			t.Errorf("%s: healthz %d %s", step.what, status, body)
		}
	}
	if status, _ := probe(&h, http.MethodPost, "/readyz"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
	if status, _ := probe(&h, http.MethodGet, "/metrics"); status != http.StatusNotFound {
		t.Errorf("another page: %d", status)
	}
}
