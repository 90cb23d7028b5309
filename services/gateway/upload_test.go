package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
)

// TestAwait hears progress for longer than a silence may be, then the answer; then nothing, then a client that leaves.
func TestAwait(t *testing.T) {
	nc := bustest.Start(t).Connect(t)
	const silence = 200 * time.Millisecond
	sub, err := nc.SubscribeSync("answers")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		tick := time.NewTicker(silence / 8)
		defer tick.Stop()
		for range 16 {
			<-tick.C
			if err := nc.Publish("answers", bus.Marshal(bus.UploadProgress{State: bus.UploadRunning})); err != nil {
				t.Error(err)
			}
		}
		if err := nc.PublishMsg(bus.EncodeError(faas.Errorf(faas.RateLimited, "enough"), "answers")); err != nil {
			t.Error(err)
		}
	}()
	m, err := await(t.Context(), sub, silence)
	<-stop
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uploadReply(m); faas.CodeOf(err) != faas.RateLimited {
		t.Errorf("answer %v", err)
	}
	if _, err := await(t.Context(), sub, silence); faas.CodeOf(err) != faas.Unavailable || !strings.Contains(err.Error(), "nothing was heard") {
		t.Errorf("silence: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := await(gone, sub, silence); faas.CodeOf(err) != faas.Cancelled {
		t.Errorf("client left: %v", err)
	}
	if err := uploadError(t.Context(), nats.ErrNoResponders, 0); !errors.Is(err, errNoUpload) {
		t.Errorf("no responders: %v", err)
	}
	if err := uploadError(t.Context(), nats.ErrConnectionClosed, 0); faas.CodeOf(err) != faas.Unavailable {
		t.Errorf("closed: %v", err)
	}
}
