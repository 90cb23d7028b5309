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
		w.Header().Set("Connection", "close") // the body is not read
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
		problem(w, err)
		return
	}
	defer body.Close()
	h := w.Header()
	h["Content-Type"] = octetStream
	h["Content-Length"] = []string{strconv.FormatInt(b.Size, 10)}
	if n, err := io.Copy(w, body); err != nil && r.Context().Err() == nil {
		// The client sees it too: what came is shorter than what was announced.
		g.log.Warn("output not sent to its end", "object", b.Object, "sent", n, telemetry.KeyErr, err)
	}
}

// discard deletes a body that nobody needs any more, in the background.
func (g *Gateway) discard(b *faas.Body) {
	g.discards.Go(func() {
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
