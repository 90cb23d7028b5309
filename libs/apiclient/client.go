// Package apiclient is a typed client of the gateway's HTTP interface, for the command line and for Go programs that
// would rather not build requests. It needs no cgo.
//
// An error that the gateway answered is a *faas.Error, with its code. An error without one comes from this side of the
// connection and wraps one of the sentinels of this package, or the context's cause.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// DefaultURL is where a gateway listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:8080"

// maxDocument bounds every JSON document that the client reads, in bytes.
const maxDocument = 64 << 20

// expectContinueFrom is the body size from which a request asks first whether the gateway wants the body, so that a
// refusal comes as an answer and not as a broken connection.
const expectContinueFrom = 1 << 20

// Config says which gateway a Client talks to.
type Config struct {
	// URL of the gateway: http or https; without a scheme it is http. "" = DefaultURL. A path is kept as a prefix.
	URL string
	// UserAgent is sent with every request; "" = "shoal".
	UserAgent string
	// ConnectTimeout is how long connecting may take; 0 = 5 s.
	ConnectTimeout time.Duration
	// AnswerTimeout is how long an answer to a small request may take: all but Deploy, Call and Logs. 0 = 30 s.
	AnswerTimeout time.Duration
}

// Client talks to one gateway. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	agent  string
	answer time.Duration
	http   *http.Client
}

// New returns a client. It does no I/O; a URL that can't be one is a bad_request Error.
func New(cfg Config) (*Client, error) {
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: orDefault(cfg.ConnectTimeout, 5*time.Second)}
	agent := cfg.UserAgent
	if agent == "" {
		agent = "shoal"
	}
	return &Client{
		base:   base,
		agent:  agent,
		answer: orDefault(cfg.AnswerTimeout, 30*time.Second),
		http: &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   orDefault(cfg.ConnectTimeout, 5*time.Second),
			ExpectContinueTimeout: 5 * time.Second,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       90 * time.Second,
			DisableCompression:    true, // outputs are bytes, not documents
			ForceAttemptHTTP2:     true,
		}},
	}, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func parseURL(s string) (*url.URL, error) {
	if s == "" {
		s = DefaultURL
	}
	full := s
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, faas.Errorf(faas.BadRequest, "gateway URL %q is not a URL", s).Hint("as " + DefaultURL)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, faas.Errorf(faas.BadRequest, "gateway URL %q has the scheme %q", s, u.Scheme).Hint("http or https, as " + DefaultURL)
	case u.Hostname() == "":
		return nil, faas.Errorf(faas.BadRequest, "gateway URL %q names no machine", s).Hint("as " + DefaultURL)
	}
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// URL returns the gateway's, without its password.
func (c *Client) URL() string { return c.base.Redacted() }

// Close drops idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one request before it is sent.
type request struct {
	method string
	path   []string
	query  url.Values
	body   io.Reader
	size   int64 // of body; -1 = unknown, as a pipe's
	kind   string
	header http.Header
	// answered is given the headers of an answer, whatever its status; it may be nil.
	answered func(http.Header)
}

// send sends r and returns the answer, whose status is 2xx; the caller closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	u := c.base.JoinPath(r.path...)
	u.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), r.body)
	if err != nil {
		return nil, faas.Errorf(faas.BadRequest, "request for %s: %s", u.Redacted(), err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", c.agent)
	if r.body != nil {
		req.Header.Set("Content-Type", r.kind)
		req.ContentLength = r.size
		if r.size == 0 {
			req.Body = http.NoBody
		}
		if r.size < 0 || r.size >= expectContinueFrom {
			req.Header.Set("Expect", "100-continue")
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if r.answered != nil {
		r.answered(resp.Header)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, c.problem(resp)
	}
	return resp, nil
}

// document sends r, which is small, and decodes the JSON it is answered with into out; nil out: no body is expected.
func (c *Client) document(ctx context.Context, r request, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.answer, &noAnswerError{url: c.URL(), after: c.answer})
	defer cancel()
	_, err := c.slowDocument(ctx, r, out)
	return err
}

// slowDocument is document for an answer that takes its time; it also returns the answer's status.
func (c *Client) slowDocument(ctx context.Context, r request, out any) (status int, err error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return 0, c.transportError(ctx, err)
	}
	if out == nil {
		return resp.StatusCode, nil
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return 0, &notGatewayError{url: c.URL(), why: "it answered " + quoteKind(kind) + " instead of JSON"}
	}
	if err := json.Unmarshal(body, out); err != nil {
		return 0, &notGatewayError{url: c.URL(), why: "it answered JSON of another shape: " + err.Error()}
	}
	return resp.StatusCode, nil
}

// problem turns an answer that is not 2xx into an error.
func (c *Client) problem(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return c.transportError(resp.Request.Context(), err)
	}
	var e faas.Error
	if err := json.Unmarshal(bytes.TrimSpace(body), &e); err != nil || e.Code == "" {
		return &notGatewayError{url: c.URL(), why: "it answered " + resp.Status + " without an error code"}
	}
	return &e
}

// transportError says what went wrong between here and the gateway.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &noGatewayError{url: c.URL(), cause: op.Err}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &brokenError{url: c.URL(), cause: err}
}
