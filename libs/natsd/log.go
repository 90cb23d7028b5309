package natsd

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats-server/v2/server"
)

// bridge passes the server's warnings and errors on to slog. Notices tell of what an operator of Shoal did not do.
type bridge struct {
	log   *slog.Logger
	fatal chan string // the first fatal error; the server expects its logger to exit, this one does not
}

var _ server.Logger = (*bridge)(nil)

func (b *bridge) Warnf(format string, v ...any)  { b.put(slog.LevelWarn, format, v) }
func (b *bridge) Errorf(format string, v ...any) { b.put(slog.LevelError, format, v) }

func (b *bridge) Fatalf(format string, v ...any) {
	select {
	case b.fatal <- fmt.Sprintf(format, v...): // Start returns it
	default:
		b.put(slog.LevelError, format, v)
	}
}

func (b *bridge) Noticef(string, ...any) {}
func (b *bridge) Debugf(string, ...any)  {}
func (b *bridge) Tracef(string, ...any)  {}

func (b *bridge) put(level slog.Level, format string, v []any) {
	if b.log != nil {
		b.log.Log(context.Background(), level, fmt.Sprintf(format, v...), "from", "nats-server")
	}
}
