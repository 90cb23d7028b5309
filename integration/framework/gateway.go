package framework

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// dialTimeout bounds what a client waits for a connection.
const dialTimeout = 2 * time.Second

// ErrBroken is what a client of a gateway gets when there was no answer at all: nobody listens, or the connection broke.
var ErrBroken = errors.New("no answer")

// Gateway is a gateway as a process, and an HTTP client of it.
type Gateway struct {
	*Process
	URL    string
	client *http.Client
}

func newGateway(p *Process, url string) *Gateway {
	return &Gateway{p, url, &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true, DialContext: p.Space.DialContext,
	}}}
}

// Result is the answer of a call that succeeded.
type Result struct {
	Output []byte
	Worker faas.WorkerID
}

// Call calls a function. The error is a *faas.Error, or ErrBroken.
func (g *Gateway) Call(ctx context.Context, name faas.Name, input []byte) (Result, error) {
	body, header, err := g.send(ctx, http.MethodPost, "/v1/call/"+name.String(), input)
	return Result{body, faas.WorkerID(header.Get("Shoal-Worker"))}, err
}

// Deploy makes a module the function's version.
func (g *Gateway) Deploy(ctx context.Context, name faas.Name, module []byte) (faas.Function, error) {
	return document[faas.Function](g.send(ctx, http.MethodPut, "/v1/functions/"+name.String(), module))
}

// Function returns what the gateway has of a function.
func (g *Gateway) Function(ctx context.Context, name faas.Name) (faas.Function, error) {
	return document[faas.Function](g.send(ctx, http.MethodGet, "/v1/functions/"+name.String(), nil))
}

// Workers returns the workers that the gateway knows.
func (g *Gateway) Workers(ctx context.Context) ([]faas.Worker, error) {
	doc, err := document[struct {
		Workers []faas.Worker `json:"workers"`
	}](g.send(ctx, http.MethodGet, "/v1/workers", nil))
	return doc.Workers, err
}

// File sends a request about the shared file "tenant/path", or with a tenant alone about all that it has.
func (g *Gateway) File(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	out, _, err := g.sendFrom(ctx, method, "/v1/files/"+path, body)
	return out, err
}

func (g *Gateway) send(ctx context.Context, method, path string, body []byte) ([]byte, http.Header, error) {
	return g.sendFrom(ctx, method, path, bytes.NewReader(body))
}

// sendFrom returns the body of an answer with a status of 2xx. The header is there with every answer.
func (g *Gateway) sendFrom(ctx context.Context, method, path string, body io.Reader) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, g.URL+path, body)
	if err != nil {
		return nil, nil, err
	}
	if method == http.MethodPost {
		req.GetBody = nil // a call is never sent twice, not even on a connection that broke
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, nil, broken(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, resp.Header, broken(err)
	}
	if resp.StatusCode/100 == 2 {
		return out, resp.Header, nil
	}
	e := new(faas.Error)
	if err := json.Unmarshal(out, e); err != nil || e.Code == "" {
		return nil, resp.Header, fmt.Errorf("%s answered %d %.200q without a code", g.Name, resp.StatusCode, out)
	}
	if e.Code == faas.NoCapacity && resp.Header.Get("Retry-After") == "" {
		return nil, resp.Header, fmt.Errorf("%s answered %s without Retry-After", g.Name, e.Code)
	}
	return nil, resp.Header, e
}

func broken(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

func document[T any](body []byte, _ http.Header, err error) (v T, _ error) {
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	return v, err
}
