package bus

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

// Client calls functions over a NATS connection. It is safe for concurrent use and keeps nothing but the connection.
type Client struct {
	nc *nats.Conn
}

// NewClient returns a Client on nc, which stays the caller's to close.
func NewClient(nc *nats.Conn) *Client { return &Client{nc: nc} }

// Call calls a function with input and waits for its result. ctx's deadline, when it has one, becomes the call's timeout;
// otherwise the function's own applies. The error is the Result's Err: a *faas.Error, whose code says what happened.
// deadline_exceeded and cancelled may also come from ctx itself; then the call may still be running.
func (c *Client) Call(ctx context.Context, name faas.Name, input []byte) (*faas.Result, error) {
	if err := name.Validate(); err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: CallSubject(name), Data: input}
	if deadline, ok := ctx.Deadline(); ok {
		left := min(time.Until(deadline), faas.MaxTimeout).Milliseconds()
		if left < 1 {
			return nil, faas.Errorf(faas.DeadlineExceeded, "no time was left to call %s", name)
		}
		m.Header = nats.Header{HeaderTimeout: {strconv.FormatInt(left, 10)}}
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, faas.MaxTimeout+5*time.Second) // the gateway ends every call before that
		defer cancel()
	}
	reply, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, clientError(err, name)
	}
	r := DecodeResult(reply)
	if r.Err != nil {
		return r, r.Err
	}
	return r, nil
}

func clientError(err error, name faas.Name) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return faas.Errorf(faas.Unavailable, "no gateway listens on %s", CallSubject(name))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return faas.Errorf(faas.DeadlineExceeded, "no answer from %s in time", name)
	case errors.Is(err, context.Canceled):
		return faas.Errorf(faas.Cancelled, "the caller cancelled the call of %s", name)
	case errors.Is(err, nats.ErrMaxPayload):
		return faas.Errorf(faas.TooLarge, "the input of %s is larger than the NATS server takes", name).
			Hint("call over HTTP")
	default:
		return AwayError(err)
	}
}
