package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/shoal-run/shoal/bus/faas"
)

// listWorkers tells which workers there are.
func (g *Gateway) listWorkers(w http.ResponseWriter, _ *http.Request) {
	workers := g.cfg.Members.Snapshot()
	if workers == nil {
		workers = []faas.Worker{}
	}
	writeJSON(w, http.StatusOK, map[string]any{"workers": workers})
}

// healthz says that the process answers.
func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
}

// readyz says whether the gateway can take calls: it has its bus. How many workers it knows is told and decides nothing,
// since a gateway without workers still answers what is deployed, and why a call can't run.
func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	connected := g.cfg.Calls.IsConnected() && g.cfg.Control.IsConnected()
	status, code := "ready", http.StatusOK
	if !connected {
		status, code = "not ready: the bus is away", http.StatusServiceUnavailable
	}
	writeJSON(w, code, map[string]any{
		"status": status, "bus": connected, "workers": g.cfg.Members.Len(), "calls": g.holder.Held(),
	})
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have left: there is nobody to tell
}
