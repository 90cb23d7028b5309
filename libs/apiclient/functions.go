package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Settings are changes to a function's settings; a nil field changes nothing.
type Settings struct {
	Memory      *faas.Size
	Timeout     *faas.Duration
	Concurrency *int
	MinWarm     *int
	KeepAlive   *faas.Duration
	Reset       *faas.Reset
	// AllowUnknownImports accepts a module that imports what the host interface does not have.
	AllowUnknownImports *bool
	Env                 map[string]string // variables to set; the others stay
	// Unset names what goes back to the platform's default: "memory", "timeout", "concurrency", "min_warm",
	// "keep_alive", "reset", "allow_unknown_imports", "env" for the whole environment, "env.KEY" for one variable. Deploy does not take it.
	Unset []string
}

// IsZero reports whether s changes nothing.
func (s Settings) IsZero() bool {
	return s.Memory == nil && s.Timeout == nil && s.Concurrency == nil && s.MinWarm == nil && s.KeepAlive == nil &&
		s.Reset == nil && s.AllowUnknownImports == nil && len(s.Env) == 0 && len(s.Unset) == 0
}

// fields returns the plain settings that s changes, as text.
func (s Settings) fields() map[string]string {
	f := map[string]string{}
	if s.Memory != nil {
		f["memory"] = s.Memory.String()
	}
	if s.Timeout != nil {
		f["timeout"] = s.Timeout.String()
	}
	if s.Concurrency != nil {
		f["concurrency"] = strconv.Itoa(*s.Concurrency)
	}
	if s.MinWarm != nil {
		f["min_warm"] = strconv.Itoa(*s.MinWarm)
	}
	if s.KeepAlive != nil {
		f["keep_alive"] = s.KeepAlive.String()
	}
	if s.Reset != nil {
		f["reset"] = string(*s.Reset)
	}
	if s.AllowUnknownImports != nil {
		f["allow_unknown_imports"] = strconv.FormatBool(*s.AllowUnknownImports)
	}
	return f
}

// query is s as the parameters of a deploy.
func (s Settings) query() (url.Values, error) {
	if len(s.Unset) > 0 {
		return nil, faas.Errorf(faas.BadRequest, "a deploy can't unset %q", s.Unset[0]).Hint("deploy, then change the settings")
	}
	q := url.Values{}
	for k, v := range s.fields() {
		q.Set(k, v)
	}
	for k, v := range s.Env {
		q.Set("env."+k, v)
	}
	return q, nil
}

// mergePatch is s as a JSON merge patch (RFC 7396) of faas.Settings.
func (s Settings) mergePatch() ([]byte, error) {
	p := map[string]any{}
	for k, v := range s.fields() {
		p[k] = v
	}
	if s.Concurrency != nil {
		p["concurrency"] = *s.Concurrency
	}
	if s.MinWarm != nil {
		p["min_warm"] = *s.MinWarm
	}
	if s.AllowUnknownImports != nil {
		p["allow_unknown_imports"] = *s.AllowUnknownImports
	}
	env := map[string]any{}
	for k, v := range s.Env {
		env[k] = v
	}
	wholeEnv := false
	for _, name := range s.Unset {
		switch name {
		case "memory", "timeout", "concurrency", "min_warm", "keep_alive", "reset", "allow_unknown_imports":
			p[name] = nil
		case "env":
			wholeEnv = true
		default:
			if len(name) < 5 || name[:4] != "env." {
				return nil, faas.Errorf(faas.BadRequest, "no setting is called %q", name).
					Hint("memory, timeout, concurrency, min_warm, keep_alive, reset, allow_unknown_imports, env or env.KEY")
			}
			env[name[4:]] = nil
		}
	}
	switch {
	case wholeEnv && len(env) > 0:
		return nil, faas.Errorf(faas.BadRequest, "the environment can't be unset and changed at once").Hint("do one after the other")
	case wholeEnv:
		p["env"] = nil
	case len(env) > 0:
		p["env"] = env
	}
	return json.Marshal(p)
}

// Module is a WebAssembly module on its way to the gateway.
type Module struct {
	Body io.Reader // read once; closed when it is an io.Closer
	Size int64     // in bytes; -1 = not known before it is read
}

// Deployed is the answer to a deploy.
type Deployed struct {
	Function  faas.Function
	New       bool          // a version that the function did not have just before
	Unchanged bool          // neither the module nor a setting differs from what was there
	Compiled  time.Duration // how long compiling took; 0 when a compiled artefact was there
}

// Deploy makes module the current version of the function called name, which need not exist, and changes its settings.
// It waits for the compiler; ctx is the only limit.
func (c *Client) Deploy(ctx context.Context, name faas.Name, module Module, settings Settings) (*Deployed, error) {
	q, err := settings.query()
	if err != nil {
		return nil, err
	}
	r, err := c.function(http.MethodPut, name)
	if err != nil {
		return nil, err
	}
	r.query, r.body, r.size, r.kind = q, module.Body, module.Size, "application/wasm"
	var doc struct {
		faas.Function
		Unchanged bool  `json:"unchanged"`
		CompileMs int64 `json:"compile_ms"`
	}
	status, err := c.slowDocument(ctx, r, &doc)
	if err != nil {
		return nil, err
	}
	return &Deployed{
		Function: doc.Function, New: status == http.StatusCreated, Unchanged: doc.Unchanged,
		Compiled: time.Duration(doc.CompileMs) * time.Millisecond,
	}, nil
}

// Change changes settings of a function and returns what it is then.
func (c *Client) Change(ctx context.Context, name faas.Name, settings Settings) (*faas.Function, error) {
	patch, err := settings.mergePatch()
	if err != nil {
		return nil, err
	}
	r, err := c.function(http.MethodPatch, name)
	if err != nil {
		return nil, err
	}
	r.body, r.size, r.kind = bytes.NewReader(patch), int64(len(patch)), "application/merge-patch+json"
	var f faas.Function
	if err := c.document(ctx, r, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// Remove removes a function.
func (c *Client) Remove(ctx context.Context, name faas.Name) error {
	r, err := c.function(http.MethodDelete, name)
	if err != nil {
		return err
	}
	err = c.document(ctx, r, nil)
	return err
}

// Functions returns the functions of a tenant, of all tenants when tenant is "".
func (c *Client) Functions(ctx context.Context, tenant string) ([]faas.Function, error) {
	r := request{method: http.MethodGet, path: []string{"v1", "functions"}}
	if tenant != "" {
		if err := faas.CheckName("tenant", tenant); err != nil {
			return nil, err
		}
		r.path = append(r.path, tenant)
	}
	var doc struct {
		Functions []faas.Function `json:"functions"`
	}
	err := c.document(ctx, r, &doc)
	return doc.Functions, err
}

// Description is a function and who has it ready.
type Description struct {
	Function faas.Function
	Workers  []Readiness
}

// Readiness is what one worker has of a function.
type Readiness struct {
	ID       faas.WorkerID `json:"id"`
	Ready    int           `json:"ready"`     // idle Faaslets
	Running  int           `json:"running"`   // calls
	Starts   faas.Starts   `json:"starts"`    // of calls since the worker has the version
	MedianUs faas.Times    `json:"median_us"` // the middle one of the last few
}

// Function returns one function.
func (c *Client) Function(ctx context.Context, name faas.Name) (*Description, error) {
	r, err := c.function(http.MethodGet, name)
	if err != nil {
		return nil, err
	}
	var doc struct {
		faas.Function
		Workers []Readiness `json:"workers"`
	}
	if err := c.document(ctx, r, &doc); err != nil {
		return nil, err
	}
	return &Description{Function: doc.Function, Workers: doc.Workers}, nil
}

// Workers returns the workers that the gateway knows.
func (c *Client) Workers(ctx context.Context) ([]faas.Worker, error) {
	var doc struct {
		Workers []faas.Worker `json:"workers"`
	}
	err := c.document(ctx, request{method: http.MethodGet, path: []string{"v1", "workers"}}, &doc)
	return doc.Workers, err
}

// function starts a request about one function.
func (c *Client) function(method string, name faas.Name) (request, error) {
	if err := name.Validate(); err != nil {
		return request{}, err
	}
	return request{method: method, path: []string{"v1", "functions", name.Tenant, name.Function}}, nil
}
