package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

const (
	changeTimeout = 12 * time.Second   // the upload service gives up a little sooner
	deploySilence = 5 * bus.UploadBeat // of the upload service, after which it is taken for gone
	maxPatch      = 64 * faas.KiB      // of settings
)

// deployedDocument is the answer to a deploy.
type deployedDocument struct {
	faas.Function
	Unchanged bool  `json:"unchanged,omitempty"`
	CompileMs int64 `json:"compile_ms"`
}

// functionDocument is a function and who has it ready.
type functionDocument struct {
	faas.Function
	Workers []readiness `json:"workers"`
}

type readiness struct {
	ID       faas.WorkerID `json:"id"`
	Ready    int           `json:"ready"`
	Running  int           `json:"running"`
	Starts   faas.Starts   `json:"starts"`
	MedianUs faas.Times    `json:"median_us"`
}

// putFunction deploys: the body is a WebAssembly module, the query has settings.
func (g *Gateway) putFunction(w http.ResponseWriter, r *http.Request) {
	n, err := pathName(r)
	if err != nil {
		problem(w, err)
		return
	}
	settings, err := querySettings(r)
	if err != nil {
		problem(w, err)
		return
	}
	if r.ContentLength > int64(g.cfg.MaxModule) {
		w.Header().Set("Connection", "close") // the rest of the body is not read
		problem(w, moduleTooLarge(g.cfg.MaxModule))
		return
	}
	object := "staging/" + faas.NewCallID().String()
	version, err := g.stage(r.Context(), object, http.MaxBytesReader(w, r.Body, int64(g.cfg.MaxModule)))
	if err != nil {
		g.unstage(r.Context(), object) // the answer may have been lost, not the object
		problem(w, err)
		return
	}
	before, existed := g.cfg.Functions.Get(n)
	reply, err := g.deploy(r.Context(), bus.UploadRequest{
		Kind: bus.Deploy, Name: n, Object: object, Version: version, Settings: settings, Progress: true,
	})
	if err != nil {
		g.unstage(r.Context(), object)
		problem(w, err)
		return
	}
	g.cfg.Functions.Apply(reply.Function)
	status := http.StatusOK
	if !existed || before.Version != reply.Function.Version {
		status = http.StatusCreated
	}
	writeJSON(w, status, deployedDocument{reply.Function, reply.Unchanged, reply.CompileMs})
}

// stage stores a module's bytes for the upload service and returns their digest.
func (g *Gateway) stage(ctx context.Context, object string, body io.Reader) (faas.Version, error) {
	sum := sha256.New()
	if _, err := g.cfg.Modules.Put(ctx, object, io.TeeReader(body, sum)); err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return "", moduleTooLarge(faas.Size(over.Limit))
		}
		if ctx.Err() != nil {
			return "", faas.Errorf(faas.Cancelled, "the client left")
		}
		return "", err
	}
	return faas.Version(hex.EncodeToString(sum.Sum(nil))), nil
}

// unstage removes a module that no upload service took; one that did removes it itself, most times before it answers.
func (g *Gateway) unstage(ctx context.Context, object string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	if err := g.cfg.Modules.Delete(ctx, object); err != nil && faas.CodeOf(err) != faas.NotFound {
		g.log.Warn("staged module not removed", "object", object, telemetry.KeyErr, err)
	}
}

// listFunctions lists the functions of one tenant, or of all.
func (g *Gateway) listFunctions(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	if tenant != "" {
		if err := faas.CheckName("tenant", tenant); err != nil {
			problem(w, err)
			return
		}
	}
	fns := g.cfg.Functions.List(tenant)
	if fns == nil {
		fns = []faas.Function{}
	}
	writeJSON(w, http.StatusOK, map[string]any{"functions": fns})
}

// getFunction describes one function.
func (g *Gateway) getFunction(w http.ResponseWriter, r *http.Request) {
	n, err := pathName(r)
	if err != nil {
		problem(w, err)
		return
	}
	fn, ok := g.cfg.Functions.Get(n)
	if !ok {
		problem(w, faas.Errorf(faas.NotFound, "no function %s", n))
		return
	}
	doc := functionDocument{Function: fn, Workers: []readiness{}}
	for _, m := range g.cfg.Members.Snapshot() {
		for _, c := range m.Warm {
			if c.Name == n && c.Version == fn.Version {
				doc.Workers = append(doc.Workers, readiness{m.ID, c.Ready, c.Running, c.Starts, c.MedianUs})
			}
		}
	}
	writeJSON(w, http.StatusOK, doc)
}

// patchFunction changes settings by a JSON merge patch (RFC 7396).
func (g *Gateway) patchFunction(w http.ResponseWriter, r *http.Request) {
	n, err := pathName(r)
	if err != nil {
		problem(w, err)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		kind != "application/merge-patch+json" && kind != "application/json" {
		problem(w, faas.Errorf(faas.BadRequest, "content type %q: want application/merge-patch+json", r.Header.Get("Content-Type")))
		return
	}
	patch, err := readBody(w, r, maxPatch)
	if err != nil {
		problem(w, err)
		return
	}
	if !json.Valid(patch) {
		problem(w, faas.Errorf(faas.BadRequest, "the body is not JSON: want a merge patch of settings, as {\"memory\": \"256MiB\"}"))
		return
	}
	reply, err := g.change(r.Context(), bus.UploadRequest{Kind: bus.Change, Name: n, Settings: patch})
	if err != nil {
		problem(w, err)
		return
	}
	g.cfg.Functions.Apply(reply.Function)
	writeJSON(w, http.StatusOK, reply.Function)
}

// deleteFunction removes a function.
func (g *Gateway) deleteFunction(w http.ResponseWriter, r *http.Request) {
	n, err := pathName(r)
	if err != nil {
		problem(w, err)
		return
	}
	reply, err := g.change(r.Context(), bus.UploadRequest{Kind: bus.Remove, Name: n})
	if err != nil {
		problem(w, err)
		return
	}
	g.cfg.Functions.Remove(n, reply.Function.Revision)
	g.forgetLog(r.Context(), n)
	w.WriteHeader(http.StatusNoContent)
}

// querySettings turns a deploy's query (memory=256MiB&env.KEY=value) into a merge patch of settings; nil when it has none.
func querySettings(r *http.Request) (json.RawMessage, error) {
	q := r.URL.Query()
	if len(q) == 0 {
		return nil, nil
	}
	patch, env := map[string]any{}, map[string]string{}
	for key, values := range q {
		value := values[len(values)-1]
		if name, ok := strings.CutPrefix(key, "env."); ok {
			env[name] = value
			continue
		}
		switch key {
		case "memory", "timeout", "keep_alive", "reset":
			patch[key] = value
		case "concurrency", "min_warm":
			v, err := strconv.Atoi(value)
			if err != nil {
				return nil, faas.Errorf(faas.BadRequest, "%s: %q is not a whole number", key, value)
			}
			patch[key] = v
		case "allow_unknown_imports":
			v, err := strconv.ParseBool(value)
			if err != nil {
				return nil, faas.Errorf(faas.BadRequest, "%s: %q is neither true nor false", key, value)
			}
			patch[key] = v
		default:
			return nil, faas.Errorf(faas.BadRequest, "no setting is called %q", key).
				Hint("memory, timeout, concurrency, min_warm, keep_alive, reset, allow_unknown_imports or env.KEY")
		}
	}
	if len(env) > 0 {
		patch["env"] = env
	}
	return json.Marshal(patch)
}

func moduleTooLarge(limit faas.Size) *faas.Error {
	return faas.Errorf(faas.TooLarge, "the module is larger than %s", limit).Hint("the limit is the gateway's and upload service's module setting")
}
