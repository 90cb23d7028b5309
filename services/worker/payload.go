package worker

import (
	"bytes"
	"fmt"
	"io"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// input returns a call's input, fetched when it did not come with the message.
func (w *Worker) input(j *job) ([]byte, error) {
	b := j.call.Body
	if b == nil {
		return j.call.Input, nil
	}
	if b.Size > int64(w.cfg.MaxInput) {
		return nil, faas.Errorf(faas.TooLarge, "the input has %d bytes, more than this worker's %s", b.Size, w.cfg.MaxInput)
	}
	r, err := w.cfg.Payloads.Get(j.ctx, b.Object)
	if err != nil {
		return nil, fmt.Errorf("fetch the input: %w", err)
	}
	defer r.Close()
	input := make([]byte, b.Size)
	if _, err := io.ReadFull(r, input); err != nil {
		return nil, fmt.Errorf("fetch the input: %w", err)
	}
	return input, nil
}

// offload stores an output that is too large for a message, and puts its name in its place. That is part of the call's
// time: nobody waits for an output past the deadline.
func (w *Worker) offload(j *job, r *faas.Result) {
	if len(r.Output) <= bus.LargestBody(w.cfg.Calls.MaxPayload()) {
		return
	}
	object := bus.OutputObject(j.call.ID)
	size := int64(len(r.Output))
	if _, err := w.cfg.Payloads.Put(j.ctx, object, bytes.NewReader(r.Output)); err != nil {
		e := *withCause(j.ctx, err)
		e.Message = fmt.Sprintf("store the output of %d bytes: %s", size, e.Message)
		r.Err = &e
	} else {
		r.Body = &faas.Body{Object: object, Size: size}
	}
	r.Output = nil
}
