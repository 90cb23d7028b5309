package bus

import (
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// MaxPayload is the largest message that Shoal's NATS servers take, in bytes. A third party's server may take less.
const MaxPayload = 8 << 20

// Connect opens a connection of a Shoal service called name to the server at url, or to the one that opts name. It adds
// what every connection of ours needs:
//
//   - no reconnect buffer: a call that was answered `unavailable` must not arrive when the server is back;
//   - reconnects for ever, quickly at first: a service without its bus is of no use, and one that gave up needs a person;
//   - answers where no client listens: InboxPrefix;
//   - losses and slow consumers in the log.
//
// The first connect is tried once: a caller that wants to wait retries, and says so to its operator.
func Connect(url, name string, log *slog.Logger, opts ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.Name(name),
		nats.CustomInboxPrefix(inboxPrefix),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 200*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if err != nil { // nil: we closed it
				log.Warn("bus connection lost", "name", name, "err", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("bus connection back", "name", name, "url", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("bus error", "name", name, "subject", subject, "err", err)
		}),
	}
	return nats.Connect(url, append(all, opts...)...)
}
