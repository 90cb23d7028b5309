package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// errSilent is the cause of a wait for an upload service that is not heard of any more.
var errSilent = errors.New("silence")

var errNoUpload = faas.Errorf(faas.Unavailable, "no upload service is there")

// change sends a request that is quickly done to the upload service and waits for its answer.
func (g *Gateway) change(ctx context.Context, req bus.UploadRequest) (*bus.UploadReply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, changeTimeout, errSilent)
	defer cancel()
	m, err := g.cfg.Control.RequestWithContext(ctx, bus.UploadSubject(), bus.Marshal(req))
	if err != nil {
		return nil, uploadError(ctx, err, changeTimeout)
	}
	return uploadReply(m)
}

// deploy sends a deploy to the upload service and waits for its answer as long as the service tells that it has it: how long
// a deploy may take is the service's to say. When nobody waits any more the service is told so.
func (g *Gateway) deploy(ctx context.Context, req bus.UploadRequest) (*bus.UploadReply, error) {
	inbox := g.cfg.Control.NewInbox()
	answers, err := g.cfg.Control.SubscribeSync(inbox)
	if err != nil {
		return nil, uploadError(ctx, err, 0)
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only when the connection is closed already
	if err := g.cfg.Control.PublishRequest(bus.UploadSubject(), inbox, bus.Marshal(req)); err != nil {
		return nil, uploadError(ctx, err, 0)
	}
	m, err := await(ctx, answers, deploySilence)
	if err != nil {
		if !errors.Is(err, errNoUpload) {
			g.giveUp(req)
		}
		return nil, err
	}
	return uploadReply(m)
}

// await returns the answer, which must come, or word of its progress, before each silence is over.
func await(ctx context.Context, answers *nats.Subscription, silence time.Duration) (*nats.Msg, error) {
	hear := func() (*nats.Msg, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
		defer cancel()
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, uploadError(ctx, err, silence)
		}
		return m, nil
	}
	for {
		m, err := hear()
		if err != nil {
			return nil, err
		}
		if _, err := bus.Unmarshal[bus.UploadProgress](m.Data); err != nil {
			return m, nil // the answer
		}
	}
}

// giveUp tells the upload services that nobody waits for a deploy any more.
func (g *Gateway) giveUp(req bus.UploadRequest) {
	m := bus.UploadRequest{Kind: bus.CancelDeploy, Name: req.Name, Object: req.Object}
	if err := g.cfg.Control.Publish(bus.UploadCancelSubject(), bus.Marshal(m)); err != nil { // its own time ends it, then
		g.log.Warn("deploy not cancelled", telemetry.KeyFunc, req.Name.String(), telemetry.KeyErr, err)
	}
}

// uploadError says why there is no answer of an upload service; ctx is what bounded the wait.
func uploadError(ctx context.Context, err error, silence time.Duration) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return errNoUpload
	case errors.Is(context.Cause(ctx), errSilent):
		return faas.Errorf(faas.Unavailable, "nothing was heard of the upload service for %s", faas.Duration(silence)).
			Hint("the change may still happen; look before you repeat it")
	case ctx.Err() != nil:
		return faas.Errorf(faas.Cancelled, "the client left")
	}
	return bus.AwayError(err)
}

func uploadReply(m *nats.Msg) (*bus.UploadReply, error) {
	if res := bus.DecodeResult(m); res.Err != nil {
		return nil, res.Err
	}
	reply, err := bus.Unmarshal[bus.UploadReply](m.Data)
	if err != nil {
		return nil, faas.Errorf(faas.Internal, "answer of the upload service: %s", err)
	}
	return &reply, nil
}
