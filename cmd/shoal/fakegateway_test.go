package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

const fakeWorker = faas.WorkerID("alpha-6743a1b20001")

// fakeGateway speaks a gateway's HTTP and keeps everything in memory; it "runs" the guests of this package's tests.
type fakeGateway struct {
	guests map[faas.Version]guest

	mu        sync.Mutex
	functions map[faas.Name]*faas.Function
	files     map[string]fakeFile // by tenant/path
	logs      map[faas.Name][]apiclient.LogLine
	timeout   string // Shoal-Timeout-Ms of the last call
}

// newFakeGateway starts a gateway that ends with the test.
func newFakeGateway(t testing.TB) (*fakeGateway, string) {
	g := &fakeGateway{
		guests:    map[faas.Version]guest{},
		functions: map[faas.Name]*faas.Function{},
		files:     map[string]fakeFile{},
		logs:      map[faas.Name][]apiclient.LogLine{},
	}
	for _, x := range guests() {
		g.guests[faas.VersionOf(x.module)] = x
	}
	mux := http.NewServeMux()
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"PUT /v1/functions/{tenant}/{name}":      g.put,
		"GET /v1/functions":                      g.list,
		"GET /v1/functions/{tenant}":             g.list,
		"GET /v1/functions/{tenant}/{name}":      g.get,
		"PATCH /v1/functions/{tenant}/{name}":    g.patch,
		"DELETE /v1/functions/{tenant}/{name}":   g.remove,
		"GET /v1/functions/{tenant}/{name}/logs": g.log,
		"POST /v1/call/{tenant}/{name}":          g.call,
		"GET /v1/workers":                        g.workers,
	}
	maps.Copy(routes, g.fileRoutes())
	for pattern, h := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if err := h(w, r); err != nil {
				problem(w, faas.AsError(err))
			}
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return g, server.URL
}

func problem(w http.ResponseWriter, e *faas.Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(e.Code.Status())
	_ = json.NewEncoder(w).Encode(e)
}

func answer(w http.ResponseWriter, status int, doc any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(doc)
}

func nameOf(r *http.Request) faas.Name {
	return faas.Name{Tenant: r.PathValue("tenant"), Function: r.PathValue("name")}
}

func (g *fakeGateway) find(r *http.Request) (*faas.Function, error) {
	f, ok := g.functions[nameOf(r)]
	if !ok {
		return nil, faas.Errorf(faas.NotFound, "no function %s", nameOf(r))
	}
	return f, nil
}

func (g *fakeGateway) put(w http.ResponseWriter, r *http.Request) error {
	if kind := r.Header.Get("Content-Type"); kind != "application/wasm" {
		return faas.Errorf(faas.BadRequest, "Content-Type is %q", kind)
	}
	module, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(module), "\x00asm") {
		return faas.Errorf(faas.InvalidModule, "not WebAssembly: it does not begin with \\0asm")
	}
	name, version := nameOf(r), faas.VersionOf(module)
	old := g.functions[name]
	f := &faas.Function{
		Name: name, Version: version, Kind: faas.Reactor, Entry: "handle", Size: int64(len(module)), Deployed: time.Now(),
		Imports: []faas.Import{{Module: "env", Name: "__faasm_read_input"}},
	}
	if old != nil {
		f.Settings = old.Settings
	}
	changed, err := merge(&f.Settings, patchOf(r.URL.Query()))
	if err != nil {
		return err
	}
	f.Changed = f.Deployed
	g.functions[name] = f
	status := http.StatusCreated
	if old != nil && old.Version == version {
		f.Deployed, status = old.Deployed, http.StatusOK
	}
	return answer(w, status, deployedJSON{functionOf(*f), false, status == http.StatusOK && !changed, 12})
}

// patchOf is the merge patch that the parameters of a deploy stand for.
func patchOf(q url.Values) map[string]any {
	patch := map[string]any{}
	env := map[string]any{}
	for k := range q {
		if name, ok := strings.CutPrefix(k, "env."); ok {
			env[name] = q.Get(k)
		} else if n, err := strconv.Atoi(q.Get(k)); err == nil {
			patch[k] = n
		} else {
			patch[k] = q.Get(k)
		}
	}
	if len(env) > 0 {
		patch["env"] = env
	}
	return patch
}

// merge applies a merge patch to s and reports whether that changed anything.
func merge(s *faas.Settings, patch map[string]any) (changed bool, err error) {
	before, _ := json.Marshal(s)
	doc := map[string]any{}
	_ = json.Unmarshal(before, &doc)
	mergeInto(doc, patch)
	after, _ := json.Marshal(doc)
	var out faas.Settings
	if err := json.Unmarshal(after, &out); err != nil {
		return false, faas.Errorf(faas.BadRequest, "settings: %s", err)
	}
	*s = out
	after, _ = json.Marshal(s)
	return string(before) != string(after), nil
}

func mergeInto(doc, patch map[string]any) {
	for k, v := range patch {
		sub, isObject := v.(map[string]any)
		switch {
		case v == nil:
			delete(doc, k)
		case isObject:
			target, ok := doc[k].(map[string]any)
			if !ok {
				target = map[string]any{}
			}
			mergeInto(target, sub)
			doc[k] = target
		default:
			doc[k] = v
		}
	}
}

func (g *fakeGateway) list(w http.ResponseWriter, r *http.Request) error {
	fs := []faas.Function{}
	for name, f := range g.functions {
		if t := r.PathValue("tenant"); t == "" || t == name.Tenant {
			fs = append(fs, functionOf(*f))
		}
	}
	return answer(w, http.StatusOK, map[string]any{"functions": fs})
}

func (g *fakeGateway) get(w http.ResponseWriter, r *http.Request) error {
	f, err := g.find(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, descriptionJSON{functionOf(*f), []apiclient.Readiness{{
		ID: fakeWorker, Ready: 2, Running: 1, Starts: faas.Starts{Cold: 1, Restored: 2, Warm: 30},
		MedianUs: faas.Times{Init: 2500, Restore: 9, Run: 42, Reset: 3},
	}}})
}

func (g *fakeGateway) patch(w http.ResponseWriter, r *http.Request) error {
	f, err := g.find(r)
	if err != nil {
		return err
	}
	var patch map[string]any
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		return faas.Errorf(faas.BadRequest, "patch: %s", err)
	}
	if _, err := merge(&f.Settings, patch); err != nil {
		return err
	}
	f.Changed = time.Now()
	return answer(w, http.StatusOK, functionOf(*f))
}

func (g *fakeGateway) remove(w http.ResponseWriter, r *http.Request) error {
	if _, err := g.find(r); err != nil {
		return err
	}
	delete(g.functions, nameOf(r))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (g *fakeGateway) log(w http.ResponseWriter, r *http.Request) error {
	if _, err := g.find(r); err != nil {
		return err
	}
	lines := g.logs[nameOf(r)]
	if n, err := strconv.Atoi(r.URL.Query().Get("lines")); err == nil && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, l := range lines {
		if err := json.NewEncoder(w).Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func (g *fakeGateway) call(w http.ResponseWriter, r *http.Request) error {
	f, err := g.find(r)
	if err != nil {
		return err
	}
	g.timeout = r.Header.Get("Shoal-Timeout-Ms")
	input, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	known, ok := g.guests[f.Version]
	if !ok { // a project's, which the stories make echo
		known = guests()["echo"]
	}
	id := faas.NewCallID()
	output, log, failed := known.run(input)
	for _, l := range log {
		g.logs[f.Name] = append(g.logs[f.Name], apiclient.LogLine{Call: id, Worker: fakeWorker, Stream: "stderr", Time: time.Now(), Line: l})
	}
	if failed != nil {
		failed.Call = id
		return failed
	}
	w.Header().Set("Shoal-Call", id.String())
	w.Header().Set("Shoal-Worker", string(fakeWorker))
	w.Header().Set("Shoal-Start", string(faas.Warm))
	w.Header().Set("Shoal-Duration-Us", "42")
	w.Header().Set("Shoal-Reset-Us", "3")
	_, err = w.Write(output)
	return err
}

func (g *fakeGateway) workers(w http.ResponseWriter, _ *http.Request) error {
	worker := faas.Worker{
		ID: fakeWorker, Name: "alpha", State: faas.WorkerJoined, Slots: faas.Slots{Total: 8, Free: 7},
		Engine: "25.0.0", Memory: 64 * faas.MiB, Started: time.Now().Add(-3 * time.Hour), Seen: time.Now(),
	}
	for name, f := range g.functions {
		worker.Warm = append(worker.Warm, faas.WarmCounts{Name: name, Version: f.Version, Ready: 2, Running: 1})
	}
	return answer(w, http.StatusOK, map[string]any{"workers": []faas.Worker{worker}})
}

// refuse starts a server that answers every request with e.
func refuse(t testing.TB, e *faas.Error) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { problem(w, e) }))
	t.Cleanup(server.Close)
	return server.URL
}

var errWrite = errors.New("disk full")

// fullDisk is a stdout that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", errWrite) }
