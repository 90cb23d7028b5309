package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// Stores are what Shoal keeps in JetStream. They stay usable as long as the connection that they were opened on.
type Stores struct {
	JetStream jetstream.JetStream
	Registry  *registry.Registry
	Modules   *objectstore.Store
	Protos    *objectstore.Store
	Payloads  *objectstore.Store // bodies that are too large for a message
	Files     *files.Bucket      // tenants' shared files
}

// OpenStores opens every store over nc, and makes those that are not there yet; any number of processes may do so at the
// same time. It waits for a JetStream that does not answer, and says so in the log. A server without JetStream is an error.
func OpenStores(ctx context.Context, nc *nats.Conn, log *slog.Logger) (Stores, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return Stores{}, fmt.Errorf("JetStream: %w", err)
	}
	s := Stores{JetStream: js}
	err = service.Retry(ctx, service.Patience{
		Tell:  func(why error) { log.Warn("the stores in JetStream do not open: trying again", telemetry.KeyErr, why) },
		Final: func(err error) bool { return ctx.Err() == nil && !passing(err) },
	}, func() error { return s.open(ctx) })
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return Stores{}, fmt.Errorf("the NATS server %s has no JetStream for this account (start it with `nats-server -js -sd DIR`, or with a jetstream block in its configuration): %w",
			nc.ConnectedUrlRedacted(), err)
	}
	return s, err
}

func (s *Stores) open(ctx context.Context) (err error) {
	if _, err = s.JetStream.AccountInfo(ctx); err != nil {
		return err
	}
	if s.Registry, err = registry.Open(ctx, s.JetStream, bus.FunctionsBucket); err != nil {
		return err
	}
	if s.Modules, err = objectstore.Open(ctx, s.JetStream, bus.ModulesBucket, objectstore.Options{}); err != nil {
		return err
	}
	if s.Protos, err = objectstore.Open(ctx, s.JetStream, bus.ProtosBucket, objectstore.Options{}); err != nil {
		return err
	}
	if s.Payloads, err = objectstore.Open(ctx, s.JetStream, bus.PayloadsBucket, objectstore.Options{MaxObject: int64(faas.MaxBody), TTL: bus.PayloadTTL}); err != nil {
		return err
	}
	s.Files, err = files.Open(ctx, s.JetStream, bus.FilesBucket)
	return err
}

// passing reports whether err may go away by itself.
func passing(err error) bool {
	switch faas.CodeOf(err) {
	case faas.Unavailable, faas.DeadlineExceeded:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrDisconnected)
}

// OpenStores is the function OpenStores for p.
func (p *Process) OpenStores(ctx context.Context, nc *nats.Conn) (Stores, error) {
	p.Health.Phase("waiting for JetStream")
	s, err := OpenStores(ctx, nc, p.Log)
	if err == nil {
		p.Health.Phase("starting")
	}
	return s, err
}
