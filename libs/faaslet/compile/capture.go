//go:build linux && cgo

package compile

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/snapshot"
)

// What a Proto-Faaslet may have. Larger ones are built on each worker.
const (
	MaxCapturedMemory = 1 * faas.GiB   // the linear memory
	MaxCapturedKept   = 256 * faas.MiB // of it what is not zero
)

// captureSpare is what capturing takes besides the initialisers: of time, and of memory beside the guest's and the artefact.
const (
	captureSpare       = time.Minute
	captureSpareMemory = 768 * faas.MiB
)

// Capture runs the initialisers of a module in a child, and returns what they made of an instance, as Request says; artefact
// is the module compiled for this machine's processor and this program's engine, and is trusted. Errors are *faas.Error: the
// guest's (guest_trapped, guest_failed, out_of_memory), with the initialiser's name; deadline_exceeded when the initialisers
// took longer than the Request's Timeout, or, as cancelled, when ctx ended; internal when the child crashed or could not
// be started.
func (c Compiler) Capture(ctx context.Context, artefact []byte, req snapshot.Request) (snapshot.Captured, error) {
	input, err := captureInput(artefact, req)
	if err != nil {
		return snapshot.Captured{}, faas.Errorf(faas.Internal, "capture: %v", err)
	}
	memory := req.Memory
	if memory == 0 {
		memory = faas.DefaultMemory
	}
	c = c.withDefaults()
	c.CPU = min(c.CPU, req.Timeout+captureSpare)
	c.Wall = min(c.Wall, req.Timeout+captureSpare)
	c.Memory = min(c.Memory, captureSpareMemory+2*faas.Size(len(artefact))+memory)
	c.artefact = MaxCapturedKept + snapshot.MaxManifest
	r, err := c.spawn(ctx, jobCapture, input)
	if err != nil {
		return snapshot.Captured{}, err
	}
	return parseCaptured(r)
}

// captureInput is what the child reads: the length of the request in four bytes, the request in JSON, the artefact.
func captureInput(artefact []byte, req snapshot.Request) ([]byte, error) {
	head, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 4, 4+len(head)+len(artefact))
	binary.BigEndian.PutUint32(b, uint32(len(head)))
	return append(append(b, head...), artefact...), nil
}

// captured is what the child says besides the image: its Encoded.Manifest, whose length is Manifest, and then its Pack.
type captured struct {
	Inits    []string      `json:"inits,omitempty"`
	None     string        `json:"none,omitempty"`
	Own      bool          `json:"own,omitempty"`
	Took     time.Duration `json:"took,omitempty"`
	Manifest int           `json:"manifest,omitempty"`
}

// parseCaptured takes apart what a child came back with, which ran a tenant's code: nothing of it is believed.
func parseCaptured(r Result) (snapshot.Captured, error) {
	bad := func(err error) (snapshot.Captured, error) {
		return snapshot.Captured{}, faas.Errorf(faas.Internal, "capture child: %v", err)
	}
	if r.captured == nil {
		return bad(errors.New("no answer"))
	}
	c := snapshot.Captured{Inits: r.captured.Inits, None: r.captured.None, Own: r.captured.Own, Took: r.captured.Took}
	if c.None != "" {
		return c, nil
	}
	n := r.captured.Manifest
	if n < 0 || n > len(r.Artefact) {
		return bad(errors.New("cut off manifest"))
	}
	e := &snapshot.Encoded{Manifest: r.Artefact[:n], Pack: r.Artefact[n:]}
	m, err := snapshot.Parse(e.Manifest)
	if err != nil {
		return bad(err)
	}
	switch {
	case faas.Size(m.Memory) > MaxCapturedMemory || faas.Size(m.Kept()) > MaxCapturedKept:
		return bad(fmt.Errorf("an image of %s, of which %s are not zero", faas.Size(m.Memory), faas.Size(m.Kept())))
	case len(m.Packs) > 1, (len(m.Packs) == 0) != (len(e.Pack) == 0):
		return bad(fmt.Errorf("%d packs in %d bytes", len(m.Packs), len(e.Pack)))
	case len(m.Packs) == 0:
		e.Pack = nil
	default:
		e.Ref = m.Packs[0]
		if err := m.Load(e.Open, func(int64, []byte) error { return nil }); err != nil {
			return bad(err)
		}
	}
	c.Encoded = e
	return c, nil
}

// capture is the child's part. It takes from this process what is not needed any more, with limit, before code of the guest
// runs.
func capture(input []byte, limit func()) (*captured, []byte, error) {
	if len(input) < 4 || len(input)-4 < int(binary.BigEndian.Uint32(input)) {
		return nil, nil, errors.New("cut off request")
	}
	head, artefact := input[4:4+binary.BigEndian.Uint32(input)], input[4+binary.BigEndian.Uint32(input):]
	var req snapshot.Request
	if err := json.Unmarshal(head, &req); err != nil {
		return nil, nil, fmt.Errorf("decode request: %w", err)
	}
	e, err := faaslet.NewEngine(faaslet.Config{Table: hostapi.New()})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	m, err := e.LoadArtefact(artefact)
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	c := &captured{Inits: m.Inits()}
	if len(c.Inits) == 0 {
		c.None = "it has no initialiser: its calls begin as the module does"
		return c, nil, nil
	}
	if c.None = m.Uncapturable(); c.None != "" {
		return c, nil, nil
	}
	if err := m.Prepare(); err != nil {
		return nil, nil, err
	}
	limit()
	return c.fill(m, req)
}

// fill runs the initialisers and encodes what they made.
func (c *captured) fill(m *faaslet.Module, req snapshot.Request) (*captured, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), req.Timeout)
	defer cancel()
	began := time.Now()
	made, why, ferr := m.Capture(ctx, faaslet.Setup{Memory: req.Memory, Args: req.Args, Env: req.Env})
	c.Took = time.Since(began)
	if ferr != nil {
		return nil, nil, ferr
	}
	if made == nil {
		c.None = why
		return c, nil, nil
	}
	defer made.Close()
	c.Own = made.Own
	if n := faas.Size(len(made.Memory)); n > MaxCapturedMemory {
		c.None = fmt.Sprintf("it has %s of memory, more than %s", n, MaxCapturedMemory)
		return c, nil, nil
	}
	if n := nonZero(made.Memory); n > MaxCapturedKept {
		c.None = fmt.Sprintf("its initialiser left %s of memory that is not zero, more than %s", n, MaxCapturedKept)
		return c, nil, nil
	}
	e, err := snapshot.Encode(made.Memory, made.Globals, nil)
	if err != nil {
		c.None = err.Error()
		return c, nil, nil
	}
	c.Manifest = len(e.Manifest)
	return c, append(e.Manifest, e.Pack...), nil
}

// nonZero returns how much of mem is in pages that are not zero.
func nonZero(mem []byte) (n faas.Size) {
	var zero [snapshot.Page]byte
	for ; len(mem) > 0; mem = mem[snapshot.Page:] {
		if !bytes.Equal(mem[:snapshot.Page], zero[:]) {
			n += snapshot.Page
		}
	}
	return n
}
