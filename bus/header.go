package bus

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

// The headers of calls and replies. Names are case-sensitive on NATS.
const (
	HeaderCall       = "Shoal-Call"        // the call's id
	HeaderRoot       = "Shoal-Root"        // the root call's id; absent when the call is the root
	HeaderParent     = "Shoal-Parent"      // the id of the call whose guest made this one
	HeaderFunction   = "Shoal-Function"    // tenant/function, on shoalint subjects
	HeaderVersion    = "Shoal-Version"     // sha256 of the module to run
	HeaderTimeout    = "Shoal-Timeout-Ms"  // what is left of the call's time, in milliseconds; reduced at each hop
	HeaderHops       = "Shoal-Hops"        // how often the call was passed on; absent when never
	HeaderRefused    = "Shoal-Refused"     // the workers that refused the call, comma-separated; absent when none did
	HeaderFiles      = "Shoal-Files"       // the revision of the tenant's shared files that the call must see; absent when any will do
	HeaderBody       = "Shoal-Body"        // the object that has the body, which is too large for a message
	HeaderBodySize   = "Shoal-Body-Size"   // of that object, in bytes
	HeaderMoved      = "Shoal-Moved"       // to the holder: the worker that the call was passed to
	HeaderWorker     = "Shoal-Worker"      // the worker that ran the call
	HeaderStart      = "Shoal-Start"       // cold, restored or warm
	HeaderDuration   = "Shoal-Duration-Us" // of the guest's run, in microseconds
	HeaderInit       = "Shoal-Init-Us"     // of a cold start: building the Faaslet and running its initialiser
	HeaderRestore    = "Shoal-Restore-Us"  // of a restored start: restoring the Faaslet
	HeaderReset      = "Shoal-Reset-Us"    // of a warm start: putting the Faaslet back after its call before, off this call's path
	HeaderCode       = "Shoal-Code"        // our code of an error; absent on success
	HeaderTrace      = "traceparent"       // W3C Trace Context
	HeaderHostTrace  = "Shoal-Host-Trace"  // of a call: 1 asks for the guest's host calls; of a reply: they, as faas.PackHostTrace has it
	HeaderErrorCode  = "Nats-Service-Error-Code"
	HeaderErrorText  = "Nats-Service-Error"
	natsStatusHeader = "Status"
	noResponders     = "503"
)

// HostTraceOn is the value of HeaderHostTrace in a call that asks for a trace.
const HostTraceOn = "1"

// EncodeCall returns the message that carries c to subject, its answer to go to reply. The message shares c.Input.
func EncodeCall(c *faas.Call, subject, reply string) *nats.Msg {
	h := make(nats.Header, 8)
	v := &[4]string{c.ID.String(), c.Name.String(), string(c.Version), strconv.FormatInt(c.Timeout.Milliseconds(), 10)}
	h[HeaderCall], h[HeaderFunction], h[HeaderVersion], h[HeaderTimeout] = v[0:1:1], v[1:2:2], v[2:3:3], v[3:4:4] // one allocation
	if c.Root != c.ID && !c.Root.IsZero() {
		set(h, HeaderRoot, c.Root.String())
	}
	if !c.Parent.IsZero() {
		set(h, HeaderParent, c.Parent.String())
	}
	if c.Hops > 0 {
		set(h, HeaderHops, strconv.Itoa(c.Hops))
	}
	if len(c.Refused) > 0 {
		set(h, HeaderRefused, joinIDs(c.Refused))
	}
	if c.Files > 0 {
		set(h, HeaderFiles, strconv.FormatUint(c.Files, 10))
	}
	setBody(h, c.Body)
	if c.HostTrace {
		set(h, HeaderHostTrace, HostTraceOn)
	}
	if c.TraceParent != "" {
		set(h, HeaderTrace, c.TraceParent)
	}
	return &nats.Msg{Subject: subject, Reply: reply, Header: h, Data: c.Input}
}

// DecodeCall returns the call that m carries, or a bad_request Error that names the header at fault. The call shares
// m.Data.
func DecodeCall(m *nats.Msg) (*faas.Call, error) {
	c := &faas.Call{Input: m.Data, TraceParent: get(m, HeaderTrace), HostTrace: get(m, HeaderHostTrace) == HostTraceOn}
	var err error
	if c.ID, err = faas.ParseCallID(get(m, HeaderCall)); err != nil {
		return nil, headerError(HeaderCall, err)
	}
	if c.ID.IsZero() {
		return nil, faas.Errorf(faas.BadRequest, "header %s: the zero id names no call", HeaderCall)
	}
	if c.Name, err = faas.ParseName(get(m, HeaderFunction)); err != nil {
		return nil, headerError(HeaderFunction, err)
	}
	c.Version = faas.Version(get(m, HeaderVersion))
	if err = c.Version.Validate(); err != nil {
		return nil, headerError(HeaderVersion, err)
	}
	if c.Timeout, err = ParseTimeout(get(m, HeaderTimeout)); err != nil {
		return nil, err
	}
	c.Root = c.ID
	if v := get(m, HeaderRoot); v != "" {
		if c.Root, err = faas.ParseCallID(v); err != nil {
			return nil, headerError(HeaderRoot, err)
		}
	}
	if v := get(m, HeaderParent); v != "" {
		if c.Parent, err = faas.ParseCallID(v); err != nil {
			return nil, headerError(HeaderParent, err)
		}
	}
	if v := get(m, HeaderHops); v != "" {
		if c.Hops, err = strconv.Atoi(v); err != nil || c.Hops < 0 || c.Hops > 1<<10 {
			return nil, faas.Errorf(faas.BadRequest, "header %s: %q is not a small number", HeaderHops, clip(v))
		}
	}
	if v := get(m, HeaderRefused); v != "" {
		for id := range strings.SplitSeq(v, ",") {
			if err := faas.CheckWorkerID(faas.WorkerID(id)); err != nil {
				return nil, headerError(HeaderRefused, err)
			}
			c.Refused = append(c.Refused, faas.WorkerID(id))
		}
	}
	if v := get(m, HeaderFiles); v != "" {
		if c.Files, err = strconv.ParseUint(v, 10, 64); err != nil {
			return nil, faas.Errorf(faas.BadRequest, "header %s: %q is not a revision", HeaderFiles, clip(v))
		}
	}
	if c.Body, err = getBody(m, InputObject(c.ID)); err != nil {
		return nil, err
	}
	return c, nil
}

func joinIDs(ids []faas.WorkerID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(id))
	}
	return b.String()
}

// ForwardCall returns the message that passes the call of m on to subject, where c is that call with the hops and the
// timeout to send. The reply subject, the body and the headers stay those of m, also those that this package does not
// know. m is used up.
func ForwardCall(m *nats.Msg, c *faas.Call, subject string) *nats.Msg {
	h := m.Header
	set(h, HeaderTimeout, strconv.FormatInt(c.Timeout.Milliseconds(), 10))
	set(h, HeaderHops, strconv.Itoa(c.Hops))
	return &nats.Msg{Subject: subject, Reply: m.Reply, Header: h, Data: m.Data}
}

// ParseTimeout parses a HeaderTimeout: whole milliseconds, 1 to faas.MaxTimeout.
func ParseTimeout(v string) (time.Duration, error) {
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil || ms < 1 || ms > faas.MaxTimeout.Milliseconds() {
		return 0, faas.Errorf(faas.BadRequest, "header %s: %q is not a number of milliseconds from 1 to %d",
			HeaderTimeout, clip(v), faas.MaxTimeout.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// EncodeResult returns the reply that carries r. A success has the output as its body, an error the Error as JSON.
func EncodeResult(r *faas.Result, reply string) *nats.Msg {
	h := make(nats.Header, 8)
	m := &nats.Msg{Subject: reply, Header: h, Data: r.Output}
	v := new([5]string) // one allocation
	v[0] = r.Call.String()
	h[HeaderCall] = v[0:1:1]
	if r.Worker != "" {
		v[1] = string(r.Worker)
		h[HeaderWorker] = v[1:2:2]
	}
	if r.Start != "" {
		v[2], v[3] = string(r.Start), strconv.FormatInt(r.Duration.Microseconds(), 10)
		h[HeaderStart], h[HeaderDuration] = v[2:3:3], v[3:4:4]
		if header, us := StartTime(r); us > 0 {
			v[4] = strconv.FormatInt(us, 10)
			h[header] = v[4:5:5]
		}
	}
	if len(r.HostTrace) > 0 {
		set(h, HeaderHostTrace, faas.PackHostTrace(r.HostTrace))
	}
	if r.Err != nil {
		m.Data = setError(h, r.Err)
		return m
	}
	setBody(h, r.Body)
	return m
}

// StartTime returns the header that says what was done for the Faaslet of r's call, and how long that took in microseconds,
// at least 1; "" and 0 when nothing was. Of Init, Restore and Reset a call has one.
func StartTime(r *faas.Result) (header string, us int64) {
	d := r.Reset
	header = HeaderReset
	switch {
	case d > 0:
	case r.Restore > 0:
		header, d = HeaderRestore, r.Restore
	case r.Init > 0:
		header, d = HeaderInit, r.Init
	default:
		return "", 0
	}
	return header, max(d.Microseconds(), 1)
}

// DecodeResult returns the result that a reply carries. A reply that no Shoal service wrote gives an internal or, for
// NATS's own "no responders", an unavailable Error; DecodeResult itself never fails. The result shares m.Data.
func DecodeResult(m *nats.Msg) *faas.Result {
	r := &faas.Result{Worker: faas.WorkerID(get(m, HeaderWorker)), Start: faas.StartKind(get(m, HeaderStart))}
	if id, err := faas.ParseCallID(get(m, HeaderCall)); err == nil {
		r.Call = id
	}
	r.Duration = getUs(m, HeaderDuration)
	switch r.Start {
	case faas.Cold:
		r.Init = getUs(m, HeaderInit)
	case faas.Restored:
		r.Restore = getUs(m, HeaderRestore)
	case faas.Warm:
		r.Reset = getUs(m, HeaderReset)
	}
	if packed := get(m, HeaderHostTrace); packed != "" {
		r.HostTrace, _ = faas.UnpackHostTrace(packed) // a result without it is still one
	}
	if err := replyError(m); err != nil {
		r.Err = err
		return r
	}
	var err error
	if r.Body, err = getBody(m, OutputObject(r.Call)); err != nil {
		r.Err = faas.Errorf(faas.Internal, "answer of worker %s: %s", r.Worker, err)
		return r
	}
	r.Output = m.Data
	return r
}

// EncodeError returns the reply that carries err and nothing else.
func EncodeError(err error, reply string) *nats.Msg {
	h := make(nats.Header, 4)
	m := &nats.Msg{Subject: reply, Header: h}
	e := faas.AsError(err)
	if !e.Call.IsZero() {
		set(h, HeaderCall, e.Call.String())
	}
	m.Data = setError(h, e)
	return m
}

// Refuse returns the answer to a call message that says why it was not taken.
func Refuse(m *nats.Msg, err error) *nats.Msg {
	e := *faas.AsError(err)
	if id, perr := faas.ParseCallID(get(m, HeaderCall)); perr == nil {
		e.Call = id
	}
	return EncodeError(&e, m.Reply)
}

// EncodeMoved tells a holder that call was passed to worker.
func EncodeMoved(call faas.CallID, worker faas.WorkerID, reply string) *nats.Msg {
	h := make(nats.Header, 2)
	set(h, HeaderCall, call.String())
	set(h, HeaderMoved, string(worker))
	return &nats.Msg{Subject: reply, Header: h}
}

// Moved returns the worker that a message to a holder says the call was passed to, or "" when it is no such message.
func Moved(m *nats.Msg) faas.WorkerID { return faas.WorkerID(get(m, HeaderMoved)) }

// MovedCall returns the call that such a message is about; zero when it does not say.
func MovedCall(m *nats.Msg) faas.CallID {
	id, err := faas.ParseCallID(get(m, HeaderCall))
	if err != nil {
		return faas.CallID{}
	}
	return id
}

// IsNoResponders reports whether m is the server's word that nobody subscribes to the subject of a request.
func IsNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && get(m, natsStatusHeader) == noResponders
}

// getUs returns the microseconds that a header has, 0 when it has none.
func getUs(m *nats.Msg, header string) time.Duration {
	us, err := strconv.ParseInt(get(m, header), 10, 64)
	if err != nil || us < 0 || us > int64(time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

func replyError(m *nats.Msg) *faas.Error {
	if IsNoResponders(m) {
		return faas.Errorf(faas.Unavailable, "nobody listens on the subject")
	}
	code := get(m, HeaderCode)
	if code == "" {
		if text := get(m, HeaderErrorText); text != "" || get(m, HeaderErrorCode) != "" {
			return faas.Errorf(faas.Internal, "%s %s", get(m, HeaderErrorCode), text)
		}
		return nil
	}
	e := new(faas.Error)
	if json.Unmarshal(m.Data, e) != nil {
		*e = faas.Error{Message: get(m, HeaderErrorText)}
	}
	e.Code = faas.Code(code)
	return e
}

func setError(h nats.Header, e *faas.Error) []byte {
	set(h, HeaderCode, string(e.Code))
	set(h, HeaderErrorCode, strconv.Itoa(e.Code.Status()))
	set(h, HeaderErrorText, oneLine(e.Message))
	body, err := json.Marshal(e)
	if err != nil { // every field of Error has a JSON form
		return nil
	}
	return body
}

// oneLine makes s fit a header: no line breaks or other control characters, and short.
func oneLine(s string) string {
	const most = 512
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// clip keeps what somebody else wrote from filling our messages.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }

func headerError(header string, err error) error {
	return faas.Errorf(faas.BadRequest, "header %s: %s", header, faas.AsError(err).Message)
}

// set and get skip the canonicalisation of net/textproto: NATS headers are case-sensitive.
func set(h nats.Header, key, value string) { h[key] = []string{value} }

func get(m *nats.Msg, key string) string {
	if v := m.Header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
