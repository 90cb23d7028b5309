package bus

import (
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

// AwayError returns what a failed publish or request means for its caller: unavailable, in words for people. While the
// connection is being restored nothing was sent.
func AwayError(err error) *faas.Error {
	for _, away := range []error{
		nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrConnectionClosed, nats.ErrDisconnected,
	} {
		if errors.Is(err, away) {
			return faas.Errorf(faas.Unavailable, "the NATS server is away")
		}
	}
	return faas.Errorf(faas.Unavailable, "the bus: %s", err)
}
