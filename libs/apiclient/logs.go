package apiclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// LogLine is one line that a guest wrote.
type LogLine struct {
	Call   faas.CallID   `json:"call,omitzero"` // zero: written by an initialiser, before any call
	Worker faas.WorkerID `json:"worker"`
	Stream string        `json:"stream"` // stdout or stderr
	Time   time.Time     `json:"time"`   // the worker's clock, at the end of the call
	Line   string        `json:"line"`   // without its line feed
}

// LogQuery says which lines of a function to read.
type LogQuery struct {
	Lines  int  // of the past, at most, the newest; 0 = none
	Follow bool // go on with new lines until the context ends
}

// Logs calls each for every line, oldest first, and ends at the first error that each returns, or when there are no
// more lines. A followed log ends only with ctx or an error.
func (c *Client) Logs(ctx context.Context, name faas.Name, q LogQuery, each func(LogLine) error) error {
	r, err := c.function(http.MethodGet, name)
	if err != nil {
		return err
	}
	r.path = append(r.path, "logs")
	r.query = url.Values{"lines": {strconv.Itoa(q.Lines)}}
	if q.Follow {
		r.query.Set("follow", "true")
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 128<<10)
	for {
		b, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return c.transportError(ctx, err)
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			var line LogLine
			if err := json.Unmarshal(b, &line); err != nil {
				return &notGatewayError{url: c.URL(), why: "a line of its log is no log line: " + err.Error()}
			}
			if err := each(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			if q.Follow && ctx.Err() == nil {
				return &brokenError{url: c.URL(), cause: io.ErrUnexpectedEOF}
			}
			return nil
		}
	}
}
