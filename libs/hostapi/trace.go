package hostapi

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// maxTracedText is how much of a path a trace shows, in bytes.
const maxTracedText = 200

// Trace writes down the host calls of one call, a line as each begins and a line as it ends:
//
//	==> fd_write(fd=1, iovs=0x3f8, iovs_len=1, nwritten=0x3f4)
//	<== fd_write ESUCCESS 2µs
//
// It keeps the last faas.MaxHostTrace bytes. It is not safe for concurrent use.
type Trace struct {
	buf     []byte
	dropped int // lines
	began   []time.Time
}

// Enter notes that the guest called r.
func (t *Trace) Enter(r *Row, mem guest.Memory, a Args) {
	t.buf = append(t.buf, "==> "...)
	t.buf = append(append(t.buf, r.Name...), '(')
	for i, p := range r.Params {
		if i > 0 {
			t.buf = append(t.buf, ", "...)
		}
		t.buf = append(append(t.buf, p.Name...), '=')
		t.value(r, i, mem, a)
	}
	t.buf = append(t.buf, ")\n"...)
	t.trim()
	t.began = append(t.began, time.Now())
}

// value writes parameter i: a path or a name as its text, what is small or negative as a number, the rest as an address.
func (t *Trace) value(r *Row, i int, mem guest.Memory, a Args) {
	p := r.Params[i]
	if p.Type == I64 {
		t.buf = strconv.AppendInt(t.buf, int64(a.U64(i)), 10)
		return
	}
	if text, ok := textOf(r, i, mem, a); ok {
		t.buf = strconv.AppendQuote(t.buf, text[:min(len(text), maxTracedText)])
		return
	}
	if strings.HasSuffix(p.Name, "path") {
		t.buf = fmt.Appendf(t.buf, "%#x", a.U32(i))
		return
	}
	t.number(a.U32(i))
}

// textOf returns the text that parameter i leads to, of those that are one: paths of preview1, with their length behind them, and
// C strings of Faasm's.
func textOf(r *Row, i int, mem guest.Memory, a Args) (text string, ok bool) {
	switch name := r.Params[i].Name; {
	case r.Module == preview1 && strings.HasPrefix(r.Name, "path_") && strings.HasSuffix(name, "path"):
		b, ok := mem.Bytes(a.U32(i), a.U32(i+1))
		return string(b), ok
	case (r.Group == groupDynamic || r.Group == groupCall || r.Group == groupState) && a.U32(i) != 0 && (name == "path" || name == "name" || name == "key"):
		s, err := cstring(mem, r.Name, a.U32(i), maxLibraryPath)
		return s, err == nil
	}
	return "", false
}

func (t *Trace) number(v uint32) {
	const small = 1 << 10
	if int32(v) < small && int32(v) >= -small {
		t.buf = strconv.AppendInt(t.buf, int64(int32(v)), 10)
		return
	}
	t.buf = fmt.Appendf(t.buf, "%#x", v)
}

// Leave notes how the call that Enter noted last, and Leave has not, ended.
func (t *Trace) Leave(r *Row, word uint64, err error) {
	last := len(t.began) - 1
	took := time.Since(t.began[last])
	t.began = t.began[:last]
	t.buf = append(append(t.buf, "<== "...), r.Name...)
	switch {
	case err != nil:
		t.buf = fmt.Appendf(t.buf, " ended the guest: %.200s", strings.ReplaceAll(err.Error(), "\n", " "))
	case len(r.Results) == 0:
	case r.Module == preview1:
		t.buf = fmt.Appendf(t.buf, " %s", wasi.Errno(word))
	default:
		t.buf = append(t.buf, ' ')
		t.number(uint32(word))
	}
	t.buf = fmt.Appendf(t.buf, " %dµs\n", took.Microseconds())
	t.trim()
}

// trim drops the oldest lines when there are twice as many bytes as are kept.
func (t *Trace) trim() {
	if len(t.buf) < 2*faas.MaxHostTrace {
		return
	}
	cut := len(t.buf) - faas.MaxHostTrace
	cut += bytes.IndexByte(t.buf[cut:], '\n') + 1
	t.dropped += bytes.Count(t.buf[:cut], []byte("\n"))
	t.buf = append(t.buf[:0], t.buf[cut:]...)
}

// Text returns the lines, and when there were more, one before them that says how many.
func (t *Trace) Text() []byte {
	b := t.buf
	dropped := t.dropped
	if over := len(b) - faas.MaxHostTrace; over > 0 {
		over += bytes.IndexByte(b[over:], '\n') + 1
		dropped += bytes.Count(b[:over], []byte("\n"))
		b = b[over:]
	}
	if dropped == 0 {
		return b
	}
	return append(fmt.Appendf(nil, "… %d lines before these dropped\n", dropped), b...)
}
