package gateway

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/libs/natsd"
)

// TestLogsInASmallStore makes the log stream where JetStream has little room, twice, as each start of a gateway does.
func TestLogsInASmallStore(t *testing.T) {
	srv, err := natsd.Start(natsd.Config{StoreDir: t.TempDir(), MaxStore: 48 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	nc, err := nats.Connect("", srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ensureLogStream(t.Context(), js, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(t.Context(), bus.LogStream)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().Config.MaxBytes; got != 16<<20 {
			t.Errorf("the log may take %d bytes", got)
		}
	}
}
