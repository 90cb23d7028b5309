package worker

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// What one function's guests on one worker may put into the log: a burst, and then so much a second. All functions share
// the stream that keeps the logs, and the bus.
const (
	logLinesBurst, logLinesRate = faas.LogLines, 200
	logBytesBurst, logBytesRate = 512 << 10, 64 << 10
	maxLogLine                  = 4 << 10 // bytes; a longer line is cut
)

// tellLog publishes what a guest wrote that is not its output, line by line. Of more lines than are kept per function only
// the last are sent, and of more than its function may send, the first.
func (w *Worker) tellLog(c *faas.Call, out faaslet.Outcome) {
	if len(out.Stdout)+len(out.Stderr) == 0 {
		return
	}
	now := time.Now()
	for _, s := range []struct {
		name bus.LogStreamName
		text []byte
	}{{bus.Stdout, out.Stdout}, {bus.Stderr, out.Stderr}} {
		for _, line := range lastLines(s.text, faas.LogLines) {
			ok, dropped := w.logs.allow(c.Name, len(line), now)
			if dropped > 0 {
				note := fmt.Sprintf("… %d lines dropped: more than %d lines or %s a second", dropped, logLinesRate, faas.Size(logBytesRate))
				w.publishLog(c.Name, bus.LogLine{Worker: w.id, Stream: bus.Stderr, Time: now, Line: note})
			}
			if ok {
				w.publishLog(c.Name, bus.LogLine{Call: c.ID, Worker: w.id, Stream: s.name, Time: now, Line: line})
			}
		}
	}
}

func (w *Worker) publishLog(n faas.Name, l bus.LogLine) {
	if err := w.cfg.Control.Publish(bus.LogSubject(n), bus.Marshal(l)); err != nil {
		w.log.Debug("log not sent", telemetry.KeyCall, l.Call, telemetry.KeyErr, err)
	}
}

// lastLines returns up to n lines of text, the last ones, without their line ends, cut to maxLogLine, and fit to be read:
// as valid UTF-8 and with control characters but tabs replaced.
func lastLines(text []byte, n int) []string {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil
	}
	lines := bytes.Split(text, []byte("\n"))
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		l = bytes.TrimSuffix(l, []byte("\r"))
		cut := ""
		if len(l) > maxLogLine {
			l, cut = l[:maxLogLine], "…"
		}
		out[i] = strings.Map(readable, strings.ToValidUTF8(string(l), "\uFFFD")) + cut
	}
	return out
}

func readable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return '\uFFFD'
	}
	return r
}

// logLimiter holds every function to its share of the log. The zero value is ready; it is safe for concurrent use.
type logLimiter struct {
	mu  sync.Mutex
	per map[faas.Name]*logAllowance
}

// logAllowance is what a function may still send, as of a moment.
type logAllowance struct {
	lines, bytes float64
	at           time.Time
	dropped      int // lines since the last one that was sent
}

// allow reports whether a function may send a line of size bytes now, and how many were dropped since it last might.
func (l *logLimiter) allow(n faas.Name, size int, now time.Time) (ok bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.per[n]
	if a == nil {
		if l.per == nil {
			l.per = make(map[faas.Name]*logAllowance)
		}
		a = &logAllowance{lines: logLinesBurst, bytes: logBytesBurst, at: now}
		l.per[n] = a
	}
	passed := now.Sub(a.at).Seconds()
	a.at = now
	a.lines = min(a.lines+passed*logLinesRate, logLinesBurst)
	a.bytes = min(a.bytes+passed*logBytesRate, logBytesBurst)
	if a.lines < 1 || a.bytes < float64(size) {
		a.dropped++
		return false, 0
	}
	a.lines--
	a.bytes -= float64(size)
	dropped, a.dropped = a.dropped, 0
	return true, dropped
}

// forget drops functions that have been quiet for as long as a burst takes to be allowed again.
func (l *logLimiter) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const quiet = 10 * time.Second
	maps.DeleteFunc(l.per, func(_ faas.Name, a *logAllowance) bool { return now.Sub(a.at) > quiet })
}
