package apiclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// The headers of a call over HTTP.
const (
	headerTimeout  = "Shoal-Timeout-Ms"
	headerCall     = "Shoal-Call"
	headerWorker   = "Shoal-Worker"
	headerStart    = "Shoal-Start"
	headerDuration = "Shoal-Duration-Us"
	headerInit     = "Shoal-Init-Us"
	headerRestore  = "Shoal-Restore-Us"
	headerReset    = "Shoal-Reset-Us"
	headerTrace    = "Shoal-Host-Trace"
)

// grace is how much longer than a call's own timeout the client waits for the word of its end.
const grace = 5 * time.Second

// Input is the input of a call.
type Input struct {
	Body    io.Reader     // nil = empty; read once; closed when it is an io.Closer
	Size    int64         // in bytes; -1 = not known before it is read
	Timeout time.Duration // of the call, in whole milliseconds; 0 = the function's
	Trace   func([]byte)  // is given the guest's host calls as text, before Call returns, also when the call failed; nil does not ask
}

// Output is the answer of a call that succeeded.
type Output struct {
	// Body is the output; the caller reads it to its end and closes it.
	Body     io.ReadCloser
	Size     int64 // -1 when not known before it is read
	Call     faas.CallID
	Worker   faas.WorkerID
	Start    faas.StartKind
	Duration time.Duration // of the guest's run
	// What was done for its Faaslet, as faas.Result has it; 0 for what was not.
	Init, Restore, Reset time.Duration
	Header               http.Header // as it came
}

// Call calls a function and returns as soon as its output begins. When ctx ends the call is cancelled, even while the
// output is read.
func (c *Client) Call(ctx context.Context, name faas.Name, in Input) (*Output, error) {
	if err := name.Validate(); err != nil {
		return nil, err
	}
	r := request{
		method: http.MethodPost, path: []string{"v1", "call", name.Tenant, name.Function},
		body: in.Body, size: in.Size, kind: "application/octet-stream",
	}
	if r.body == nil {
		r.body, r.size = http.NoBody, 0
	}
	r.header = http.Header{}
	if in.Trace != nil {
		r.header.Set(headerTrace, "1")
		r.answered = func(h http.Header) {
			packed := h.Get(headerTrace)
			if packed == "" { // no guest ran
				return
			}
			text, err := faas.UnpackHostTrace(packed)
			if err != nil {
				text = fmt.Appendf(nil, "no trace: %v\n", err)
			}
			in.Trace(text)
		}
	}
	cancel := func() {}
	if in.Timeout != 0 {
		ms := in.Timeout.Milliseconds()
		if ms < 1 {
			return nil, faas.Errorf(faas.BadRequest, "timeout %s is less than 1 ms", in.Timeout)
		}
		r.header.Set(headerTimeout, strconv.FormatInt(ms, 10))
		wait := in.Timeout + grace
		ctx, cancel = context.WithTimeoutCause(ctx, wait, &noAnswerError{url: c.URL(), after: wait})
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := c.output(resp)
	if err != nil {
		resp.Body.Close()
		cancel()
		return nil, err
	}
	out.Body = &outputBody{ReadCloser: resp.Body, client: c, ctx: ctx, cancel: cancel}
	return out, nil
}

func (c *Client) output(resp *http.Response) (*Output, error) {
	out := &Output{
		Size:   resp.ContentLength,
		Worker: faas.WorkerID(resp.Header.Get(headerWorker)),
		Start:  faas.StartKind(resp.Header.Get(headerStart)),
		Header: resp.Header,
	}
	var err error
	if out.Call, err = faas.ParseCallID(resp.Header.Get(headerCall)); err != nil {
		return nil, &notGatewayError{url: c.URL(), why: "its answer to a call has no " + headerCall}
	}
	for header, d := range map[string]*time.Duration{
		headerDuration: &out.Duration, headerInit: &out.Init, headerRestore: &out.Restore, headerReset: &out.Reset,
	} {
		if us, err := strconv.ParseInt(resp.Header.Get(header), 10, 64); err == nil {
			*d = time.Duration(us) * time.Microsecond
		}
	}
	return out, nil
}

// outputBody gives a broken output an error of this package. It lives no longer than one answer, so it may hold ctx.
type outputBody struct {
	io.ReadCloser
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
}

func (b *outputBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.client.transportError(b.ctx, err)
	}
	return n, err
}

func (b *outputBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
