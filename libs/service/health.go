package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Check says how a part is doing: nil when it is well, else why it can't do its work now. It is called for each probe, so
// it looks and does not try.
type Check func() error

// Health tells probes how a process is doing:
//
//	/healthz  200 as long as the process answers
//	/readyz   200 when it does its work, else 503; either way a JSON document with the result of each check
//
// The zero value is ready to use and says that the process is starting. It is safe for concurrent use.
type Health struct {
	mu     sync.Mutex
	phase  string // why the process isn't ready; "" when that is up to the checks
	set    bool   // phase was set
	names  []string
	checks map[string]Check
}

// Phase says what the process does instead of its work, as "waiting for the NATS server" or "draining". With "" the
// checks decide whether it is ready.
func (h *Health) Phase(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase, h.set = text, true
}

// Check adds a check, or replaces the one of the same name.
func (h *Health) Check(name string, c Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]Check{}
	}
	if h.checks[name] == nil {
		h.names = append(h.names, name)
	}
	h.checks[name] = c
}

// Readiness is the document at /readyz.
type Readiness struct {
	Status string            `json:"status"` // "ready", or "not ready: " and why
	Checks map[string]string `json:"checks"` // by name, "ok" or what is wrong
}

// Readiness runs every check.
func (h *Health) Readiness() (doc Readiness, ready bool) {
	h.mu.Lock()
	phase, names := h.phase, h.names
	if !h.set {
		phase = "starting"
	}
	checks := make([]Check, len(names))
	for i, n := range names {
		checks[i] = h.checks[n]
	}
	h.mu.Unlock()

	doc = Readiness{Status: "ready", Checks: map[string]string{}}
	why := phase
	for i, n := range names {
		doc.Checks[n] = "ok"
		if err := checks[i](); err != nil {
			doc.Checks[n] = err.Error()
			if why == "" {
				why = n + ": " + err.Error()
			}
		}
	}
	if why != "" {
		doc.Status = "not ready: " + why
	}
	return doc, why == ""
}

// Handler answers at /healthz and /readyz.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		doc, ready := h.Readiness()
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, doc)
	})
	return mux
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc) // a probe that has left wants nothing
}

// Serve serves h to the listener, which it closes, until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var g Group
	g.Add("serve", func(context.Context) error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		return nil
	})
	g.Add("stop", func(stop context.Context) error {
		<-stop.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(stop), time.Second)
		defer cancel()
		if srv.Shutdown(wait) != nil {
			return srv.Close()
		}
		return nil
	})
	return g.Run(ctx)
}
