package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// discardTimeout bounds the deletion of a body; one that stays is gone after bus.PayloadTTL.
const discardTimeout = 10 * time.Second

// fetchTimeout bounds reading an output for a NATS client.
const fetchTimeout = 30 * time.Second

// readInput gives c the request's body: in memory when a message can carry it, else streamed to the bucket of payloads. The
// memory counts until release is called.
func (g *Gateway) readInput(w http.ResponseWriter, r *http.Request, c *faas.Call) (release func(), err error) {
	if r.ContentLength == 0 {
		return func() {}, nil
	}
	if r.ContentLength > int64(g.cfg.MaxInput) {
		w.Header().Set("Connection", "close") // the rest of the body is not read
		return nil, tooLarge(g.cfg.MaxInput)
	}
	largest := int64(bus.LargestBody(g.cfg.Calls.MaxPayload()))
	size := min(r.ContentLength, largest)
	if r.ContentLength < 0 {
		size = min(largest, int64(g.cfg.MaxInput))
	}
	if release = g.bodies.take(size); release == nil {
		// A client that is still sending would see a broken connection and not the refusal.
		done := hurry(w, size)
		_, _ = io.CopyN(io.Discard, r.Body, size)
		done()
		return nil, g.bodies.refusal()
	}
	expect := r.ContentLength
	if expect < 0 {
		expect = int64(g.cfg.MaxInput)
	}
	done := hurry(w, expect)
	err = g.takeInput(w, r, c, largest)
	done()
	if err != nil {
		release()
		return nil, err
	}
	if held := int64(len(c.Input)); held < size { // less than it might have been
		release()
		if release = g.bodies.take(held); release == nil {
			return nil, g.bodies.refusal()
		}
	}
	return release, nil
}

func (g *Gateway) takeInput(w http.ResponseWriter, r *http.Request, c *faas.Call, largest int64) error {
	if n := r.ContentLength; n >= 0 && n <= largest {
		var err error
		c.Input, err = readBody(w, r, g.cfg.MaxInput)
		return err
	}
	body := http.MaxBytesReader(w, r.Body, int64(g.cfg.MaxInput))
	var head []byte
	if r.ContentLength < 0 { // the length was not said: it may still fit
		var err error
		if head, err = io.ReadAll(io.LimitReader(body, largest+1)); err != nil {
			return bodyError(err)
		}
		if int64(len(head)) <= largest {
			c.Input = head
			return nil
		}
	}
	object := bus.InputObject(c.ID)
	info, err := g.cfg.Payloads.Put(r.Context(), object, io.MultiReader(bytes.NewReader(head), body))
	if err != nil {
		var over *http.MaxBytesError
		switch {
		case errors.As(err, &over):
			return tooLarge(faas.Size(over.Limit))
		case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
			return bodyError(err)
		}
		return err
	}
	c.Body = &faas.Body{Object: object, Size: info.Size}
	return nil
}

// sendBody answers with the output that b names.
func (g *Gateway) sendBody(w http.ResponseWriter, r *http.Request, b *faas.Body) {
	body, err := g.cfg.Payloads.Get(r.Context(), b.Object)
	if err != nil {
		problem(w, outputLost(err))
		return
	}
	defer body.Close()
	defer patience(w, b.Size)()
	h := w.Header()
	h["Content-Type"] = octetStream
	h["Content-Length"] = []string{strconv.FormatInt(b.Size, 10)}
	if n, err := io.Copy(w, body); err != nil && r.Context().Err() == nil {
		// The client sees it too: what came is shorter than what was announced.
		g.log.Warn("output not sent to its end", "object", b.Object, "sent", n, telemetry.KeyErr, err)
	}
}

// replyBody answers a NATS client with an output that did not come with its message: inline when the client's message can
// carry it, else by saying where it is.
func (g *Gateway) replyBody(r *faas.Result, reply string) {
	if r.Body.Size > int64(bus.LargestMessage(g.cfg.Calls.MaxPayload())) {
		r.Err = faas.Errorf(faas.TooLarge, "the output has %d bytes, more than a message can carry", r.Body.Size).
			Hint("GET /v1/calls/" + r.Call.String() + "/output has it for 10 minutes")
		r.Err.Call, r.Body = r.Call, nil
		g.reply(bus.EncodeResult(r, reply))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	output, err := g.fetch(ctx, r.Body)
	g.discard(r.Body)
	r.Body = nil
	if err != nil {
		r.Err = err
		r.Err.Call = r.Call
	} else {
		r.Output = output
	}
	g.reply(bus.EncodeResult(r, reply))
}

// fetch reads a body whole. The call has succeeded: that its output is not to be had is the platform's fault.
func (g *Gateway) fetch(ctx context.Context, b *faas.Body) ([]byte, *faas.Error) {
	body, err := g.cfg.Payloads.Get(ctx, b.Object)
	if err != nil {
		return nil, outputLost(err)
	}
	defer body.Close()
	out := make([]byte, b.Size)
	if _, err := io.ReadFull(body, out); err != nil {
		return nil, outputLost(err)
	}
	return out, nil
}

func outputLost(err error) *faas.Error {
	return faas.Errorf(faas.Unavailable, "the call has run, and its output can't be read: %s", faas.AsError(err).Message)
}

// discard deletes a body that nobody needs any more, in the background.
func (g *Gateway) discard(b *faas.Body) {
	g.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
		defer cancel()
		if err := g.cfg.Payloads.Delete(ctx, b.Object); err != nil && faas.CodeOf(err) != faas.NotFound {
			g.log.Warn("body not deleted", "object", b.Object, telemetry.KeyErr, err)
		}
	})
}

// getOutput answers with a call's output that was too large for the NATS client that made it.
func (g *Gateway) getOutput(w http.ResponseWriter, r *http.Request) {
	id, err := faas.ParseCallID(r.PathValue("id"))
	if err != nil {
		problem(w, err)
		return
	}
	info, err := g.cfg.Payloads.Stat(r.Context(), bus.OutputObject(id))
	if err != nil {
		if faas.CodeOf(err) == faas.NotFound {
			err = faas.Errorf(faas.NotFound, "no output of call %s is kept", id)
		}
		problem(w, err)
		return
	}
	g.sendBody(w, r, &faas.Body{Object: info.Name, Size: info.Size})
}
