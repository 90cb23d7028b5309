package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// The log stream reserves what it may take, in bytes; past it the oldest lines of any function go. A store that has less
// to give gets a smaller log, by quarters down to the least.
const (
	maxLogStore = 256 << 20
	minLogStore = 1 << 20
)

// ensureLogStream makes the stream that keeps the last lines of each function, unless it is there.
func ensureLogStream(ctx context.Context, js jetstream.JetStream, log *slog.Logger) error {
	for size := int64(maxLogStore); ; size /= 4 {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:              bus.LogStream,
			Description:       "the last lines that each function's guests wrote",
			Subjects:          []string{bus.LogWildcard()},
			Storage:           jetstream.FileStorage,
			MaxMsgsPerSubject: faas.LogLines,
			MaxBytes:          size,
			Discard:           jetstream.DiscardOld,
			NoAck:             true, // lines are published and forgotten
		})
		if err == nil && size < maxLogStore {
			log.Warn("JetStream has little room: functions' logs are kept in less than usual", "size", faas.Size(size), "usual", faas.Size(maxLogStore))
		}
		if !natserr.IsStoreFull(err) || size/4 < minLogStore {
			return natserr.Wrap(err, "make the log stream")
		}
	}
}

// forgetLog drops the lines that are kept of a function that was removed: its name may be another function's next. Lines
// that its last calls still write are kept.
func (g *Gateway) forgetLog(ctx context.Context, n faas.Name) {
	stream, err := g.cfg.JetStream.Stream(ctx, bus.LogStream)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(bus.LogSubject(n)))
	}
	if err != nil {
		g.log.Warn("the log of a removed function is kept", telemetry.KeyFunc, n, telemetry.KeyErr, err)
	}
}

// logDocument is one line of a log, without what only services read.
type logDocument struct {
	Time   time.Time         `json:"time"`
	Call   *faas.CallID      `json:"call,omitempty"`
	Worker faas.WorkerID     `json:"worker"`
	Stream bus.LogStreamName `json:"stream"`
	Line   string            `json:"line"`
}

// getLogs tells the last lines of a function's log, one JSON document a line, and with follow=true goes on as they come.
func (g *Gateway) getLogs(w http.ResponseWriter, r *http.Request) {
	n, err := pathName(r)
	if err != nil {
		problem(w, err)
		return
	}
	lines, follow, err := logQuery(r)
	if err != nil {
		problem(w, err)
		return
	}
	if _, ok := g.cfg.Functions.Get(n); !ok {
		problem(w, faas.Errorf(faas.NotFound, "no function %s", n))
		return
	}
	skip, err := g.logSkip(r.Context(), n, lines)
	if err != nil {
		problem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if skip.stored == 0 && !follow {
		return
	}
	if err := g.sendLog(w, r, n, skip, follow); err != nil && r.Context().Err() == nil {
		g.log.Warn("log not sent to its end", telemetry.KeyFunc, n, telemetry.KeyErr, err)
	}
}

// logRange is how many lines are stored and how many of them, from the oldest, are not wanted.
type logRange struct{ stored, skip uint64 }

func (g *Gateway) logSkip(ctx context.Context, n faas.Name, lines int) (logRange, error) {
	stream, err := g.cfg.JetStream.Stream(ctx, bus.LogStream)
	if err != nil {
		return logRange{}, faas.Errorf(faas.Unavailable, "the logs: %s", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(bus.LogSubject(n)))
	if err != nil {
		return logRange{}, faas.Errorf(faas.Unavailable, "the logs: %s", err)
	}
	stored := info.State.Subjects[bus.LogSubject(n)]
	return logRange{stored, stored - min(stored, uint64(lines))}, nil
}

func (g *Gateway) sendLog(w http.ResponseWriter, r *http.Request, n faas.Name, lr logRange, follow bool) error {
	consumer, err := g.cfg.JetStream.OrderedConsumer(r.Context(), bus.LogStream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{bus.LogSubject(n)}, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	it, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer it.Stop()
	stop := context.AfterFunc(r.Context(), it.Stop)
	defer stop()

	out := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	for seen := uint64(0); follow || seen < lr.stored; seen++ {
		if seen >= lr.stored || seen == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		m, err := it.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if seen >= lr.skip {
			line, err := bus.Unmarshal[bus.LogLine](m.Data())
			if err != nil {
				return err
			}
			if err := enc.Encode(logLine(line)); err != nil {
				return err
			}
		}
		if meta.NumPending == 0 && !follow {
			return nil
		}
	}
	return nil
}

func logLine(l bus.LogLine) logDocument {
	d := logDocument{Time: l.Time, Worker: l.Worker, Stream: l.Stream, Line: l.Line}
	if !l.Call.IsZero() {
		d.Call = &l.Call
	}
	return d
}

func logQuery(r *http.Request) (lines int, follow bool, err error) {
	lines = 100
	q := r.URL.Query()
	if v := q.Get("lines"); v != "" {
		if lines, err = strconv.Atoi(v); err != nil || lines < 0 || lines > faas.LogLines {
			return 0, false, faas.Errorf(faas.BadRequest, "lines: %q is not a number from 0 to %d", v, faas.LogLines)
		}
	}
	if v := q.Get("follow"); v != "" {
		if follow, err = strconv.ParseBool(v); err != nil {
			return 0, false, faas.Errorf(faas.BadRequest, "follow: %q is neither true nor false", v)
		}
	}
	return lines, follow, nil
}
