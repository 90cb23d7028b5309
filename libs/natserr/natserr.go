// Package natserr turns the errors of NATS and JetStream into errors with a code of ours, so that every service answers
// the same for a full disk, a lost server and a lost race.
package natserr

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
)

// The error codes of the JetStream API that the client gives no name.
const (
	accountResources = 10002
	unavailable      = 10008
	resources        = 10023
	storageResources = 10047
	storeFailed      = 10077 // the stream's own limit, or a failed write
	tooManyRequests  = 10167
)

// Wrap returns err with what before it, or nil: as a *faas.Error when it says what a caller can act on, else wrapped.
// An error that has a code already keeps it and its message.
func Wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	var coded *faas.Error
	if errors.As(err, &coded) {
		return err
	}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, context.Canceled):
		return faas.Errorf(faas.Cancelled, "%s: cancelled", what)
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout):
		return faas.Errorf(faas.DeadlineExceeded, "%s: out of time", what)
	case IsConflict(err):
		return faas.Errorf(faas.Conflict, "%s: somebody else changed it first", what)
	case errors.As(err, &api):
		return wrapAPI(api, what)
	case errors.Is(err, jetstream.ErrAsyncPublishTimeout): // after a failed write the server says nothing to whoever publishes
		return faas.Errorf(faas.Unavailable, "%s: the NATS server does not store it: %s", what, err).
			Hint("its log says why; after a full disk it needs space and a restart")
	case isLost(err):
		return faas.Errorf(faas.Unavailable, "%s: the NATS server does not answer: %s", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

func wrapAPI(err *jetstream.APIError, what string) error {
	switch {
	case isFull(err.ErrorCode):
		return faas.Errorf(faas.Unavailable, "%s: the store is full or can't be written: %s", what, err.Description).
			Hint("free space on the disk of the NATS server, and restart it if its log tells of a write error; or raise the limit of the bucket")
	case isAway(err.ErrorCode):
		return faas.Errorf(faas.Unavailable, "%s: JetStream is away: %s", what, err.Description).
			Hint("its log says why; a full disk switches it off")
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

func isFull(code jetstream.ErrorCode) bool {
	switch code {
	case accountResources, resources, storageResources, storeFailed:
		return true
	}
	return false
}

func isAway(code jetstream.ErrorCode) bool {
	switch code {
	case unavailable, tooManyRequests, jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
		return true
	}
	return false
}

// IsStoreFull reports whether err is JetStream's refusal of something that it has no room for.
func IsStoreFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && isFull(api.ErrorCode)
}

// IsConflict reports whether err is the refusal of a compare-and-set.
func IsConflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

func isLost(err error) bool {
	for _, e := range []error{
		nats.ErrNoResponders, nats.ErrTimeout, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrStaleConnection,
		jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
