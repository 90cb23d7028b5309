package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

func TestAwayError(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{nats.ErrReconnectBufExceeded, "the NATS server is away"},
		{fmt.Errorf("publish: %w", nats.ErrConnectionClosed), "the NATS server is away"},
		{errors.New("odd"), "the bus: odd"},
	} {
		if e := AwayError(c.err); e.Code != faas.Unavailable || !strings.Contains(e.Message, c.says) {
			t.Errorf("%v: %v, want %q", c.err, e, c.says)
		}
	}
}
