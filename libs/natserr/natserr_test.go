package natserr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

func TestWrap(t *testing.T) {
	if natserr.Wrap(nil, "x") != nil {
		t.Error("nil is an error")
	}
	api := func(code jetstream.ErrorCode) error {
		return &jetstream.APIError{ErrorCode: code, Description: "described"}
	}
	for _, c := range []struct {
		err  error
		code faas.Code
		word string
	}{
		{context.Canceled, faas.Cancelled, ""},
		{context.DeadlineExceeded, faas.DeadlineExceeded, ""},
		{nats.ErrTimeout, faas.Unavailable, "does not answer"},
		{nats.ErrNoResponders, faas.Unavailable, "does not answer"},
		{fmt.Errorf("publish: %w", nats.ErrReconnectBufExceeded), faas.Unavailable, "does not answer"},
		{jetstream.ErrAsyncPublishTimeout, faas.Unavailable, "full disk"},
		{jetstream.ErrKeyRevisionMismatch, faas.Conflict, "first"},
		{jetstream.ErrKeyExists, faas.Conflict, "first"},
		{api(10071), faas.Conflict, "first"},
		{api(10164), faas.Conflict, "first"},
		{api(10077), faas.Unavailable, "full"},
		{api(10047), faas.Unavailable, "full"},
		{api(10023), faas.Unavailable, "full"},
		{api(10008), faas.Unavailable, "JetStream is away"},
		{api(10076), faas.Unavailable, "JetStream is away"},
		{api(10003), faas.Internal, "described"},
		{errors.New("else"), faas.Internal, "else"},
	} {
		err := natserr.Wrap(c.err, "do it")
		if faas.CodeOf(err) != c.code || !strings.Contains(err.Error(), "do it: ") || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%v became %v, want code %q", c.err, err, c.code)
		}
	}
	coded := faas.Errorf(faas.NotFound, "none")
	if err := natserr.Wrap(coded, "do it"); !errors.Is(err, coded) || err.Error() != coded.Error() {
		t.Errorf("a coded error became %v", err)
	}
}
