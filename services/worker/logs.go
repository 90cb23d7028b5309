package worker

import (
	"bytes"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// tellLog publishes what a guest wrote that is not its output, line by line. Of more lines than are kept per function only
// the last are sent.
func (w *Worker) tellLog(c *faas.Call, out faaslet.Outcome) {
	if len(out.Stdout)+len(out.Stderr) == 0 {
		return
	}
	now := time.Now()
	subject := bus.LogSubject(c.Name)
	for _, s := range []struct {
		name bus.LogStreamName
		text []byte
	}{{bus.Stdout, out.Stdout}, {bus.Stderr, out.Stderr}} {
		for _, line := range lastLines(s.text, faas.LogLines) {
			m := bus.LogLine{Call: c.ID, Worker: w.id, Stream: s.name, Time: now, Line: line}
			if err := w.cfg.Control.Publish(subject, bus.Marshal(m)); err != nil {
				w.log.Debug("log not sent", telemetry.KeyCall, c.ID, telemetry.KeyErr, err)
				return
			}
		}
	}
}

// lastLines returns up to n lines of text, the last ones, as valid UTF-8 and without their line ends.
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
		out[i] = strings.ToValidUTF8(string(bytes.TrimSuffix(l, []byte("\r"))), "\uFFFD")
	}
	return out
}
