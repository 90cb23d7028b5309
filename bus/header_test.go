package bus

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

func fullCall() *faas.Call {
	return &faas.Call{
		ID: callID, Root: rootID, Parent: mustID("01890a5d-ac96-774b-bcce-b302099a8002"), Name: echo, Version: v1,
		Input: []byte("hello"), Body: &faas.Body{Object: InputObject(callID), Size: 7}, Timeout: 1500 * time.Millisecond, Hops: 2, Files: 1 << 63,
		Refused:     []faas.WorkerID{worker, "beta-0191e7c2a1b2"},
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", HostTrace: true,
	}
}

func TestCallRoundTrip(t *testing.T) {
	full := fullCall()
	for i := range reflect.TypeFor[faas.Call]().NumField() {
		if reflect.ValueOf(*full).Field(i).IsZero() {
			t.Errorf("the test's call lacks %s", reflect.TypeFor[faas.Call]().Field(i).Name)
		}
	}
	for name, c := range map[string]*faas.Call{
		"full": full,
		"root": {ID: callID, Root: callID, Name: echo, Version: v1, Timeout: faas.MaxTimeout},
	} {
		m := EncodeCall(c, PlanSubject(), "_INBOX.1")
		if m.Subject != PlanSubject() || m.Reply != "_INBOX.1" {
			t.Errorf("%s: to %q, reply %q", name, m.Subject, m.Reply)
		}
		got, err := DecodeCall(m)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c)
		}
	}
	c := &faas.Call{ID: callID, Name: echo, Version: v1, Timeout: time.Second}
	if got, err := DecodeCall(EncodeCall(c, "x", "")); err != nil || got.Root != callID {
		t.Errorf("a call without a root has root %v, %v", got.Root, err)
	}
}

// A body is only ever that of the call, and has a size that a body can have.
func TestBodyHeaders(t *testing.T) {
	for _, c := range []struct {
		object, size string
		ok           bool
	}{
		{InputObject(callID), "0", true},
		{InputObject(callID), "1073741824", true},
		{InputObject(callID), "1073741825", false},
		{InputObject(callID), "-1", false},
		{InputObject(callID), "", false},
		{InputObject(rootID), "1", false},
		{OutputObject(callID), "1", false},
		{"in/../../x", "1", false},
	} {
		m := EncodeCall(&faas.Call{ID: callID, Name: echo, Version: v1, Timeout: time.Second}, "x", "")
		m.Header[HeaderBody], m.Header[HeaderBodySize] = []string{c.object}, []string{c.size}
		if got, err := DecodeCall(m); (err == nil) != c.ok || c.ok && (got.Body == nil || got.Body.Object != c.object) {
			t.Errorf("%q of %q: %+v, %v", c.object, c.size, got, err)
		}
	}
	out := &faas.Result{Call: callID, Worker: worker, Start: faas.Warm, Body: &faas.Body{Object: OutputObject(callID), Size: 9}}
	if got := DecodeResult(EncodeResult(out, "x")); got.Err != nil || got.Body == nil || *got.Body != *out.Body {
		t.Errorf("result %+v", got)
	}
	m := EncodeResult(out, "x")
	m.Header[HeaderBody] = []string{OutputObject(rootID)}
	if got := DecodeResult(m); faas.CodeOf(got.Err) != faas.Internal {
		t.Errorf("a result with another call's body: %+v", got)
	}
	for limit, want := range map[int64]int{8 << 20: 1 << 20, 1 << 40: 1 << 20, 1 << 20: 1<<20 - 64<<10, 10: 0} {
		if got := LargestBody(limit); got != want {
			t.Errorf("largest body of %d: %d, want %d", limit, got, want)
		}
	}
}

func TestForwardCall(t *testing.T) {
	m := EncodeCall(fullCall(), PlanSubject(), "_INBOX.1")
	m.Header["Shoal-Later"] = []string{"kept"}
	before := maps.Clone(m.Header)
	c, err := DecodeCall(m)
	if err != nil {
		t.Fatal(err)
	}
	c.Hops, c.Timeout = 3, time.Second
	out := ForwardCall(m, c, WorkerCallSubject(worker))
	got, err := DecodeCall(out)
	if err != nil || !reflect.DeepEqual(got, c) || out.Reply != "_INBOX.1" || out.Subject != WorkerCallSubject(worker) {
		t.Errorf("%+v, %v, to %s with reply %s", got, err, out.Subject, out.Reply)
	}
	for k, v := range before {
		if k != HeaderHops && k != HeaderTimeout && !reflect.DeepEqual(out.Header[k], v) {
			t.Errorf("header %s was %q and is %q", k, v, out.Header[k])
		}
	}
}

// TestDecodeCallNamesTheHeader: whoever sent the call can find the fault.
func TestDecodeCallNamesTheHeader(t *testing.T) {
	for _, c := range []struct{ header, value string }{
		{HeaderCall, ""},
		{HeaderCall, "7"},
		{HeaderCall, "00000000-0000-0000-0000-000000000000"},
		{HeaderFunction, ""},
		{HeaderFunction, "echo"},
		{HeaderFunction, "Demo/echo"},
		{HeaderVersion, ""},
		{HeaderVersion, "1"},
		{HeaderVersion, strings.Repeat("x", 64)},
		{HeaderTimeout, ""},
		{HeaderTimeout, "0"},
		{HeaderTimeout, "-1"},
		{HeaderTimeout, "1s"},
		{HeaderTimeout, "900001"},
		{HeaderTimeout, "99999999999999999999"},
		{HeaderRoot, "x"},
		{HeaderParent, "x"},
		{HeaderHops, "-1"},
		{HeaderHops, "x"},
		{HeaderHops, "99999"},
		{HeaderRefused, ","},
		{HeaderRefused, "alpha"},
		{HeaderRefused, string(worker) + ","},
		{HeaderHops, strings.Repeat("9", 1<<20)},
		{HeaderTimeout, strings.Repeat("9", 1<<20)},
		{HeaderFunction, strings.Repeat("9", 1<<20)},
		{HeaderVersion, strings.Repeat("9", 1<<20)},
		{HeaderRefused, strings.Repeat("9", 1<<20)},
	} {
		m := EncodeCall(fullCall(), PlanSubject(), "")
		m.Header[c.header] = []string{c.value}
		if c.value == "" {
			delete(m.Header, c.header)
		}
		_, err := DecodeCall(m)
		if err == nil || !strings.Contains(err.Error(), "header "+c.header+": ") {
			t.Errorf("%s = %.40q: %v", c.header, c.value, err)
			continue
		}
		checkRefusal(t, err)
	}
	if _, err := DecodeCall(&nats.Msg{}); faas.CodeOf(err) != faas.BadRequest {
		t.Errorf("without headers: %v", err)
	}
}

func TestResultRoundTrip(t *testing.T) {
	for name, r := range map[string]*faas.Result{
		"success":  {Call: callID, Worker: worker, Start: faas.Warm, Duration: 1234 * time.Microsecond, Output: []byte("out")},
		"cold":     {Call: callID, Worker: worker, Start: faas.Cold, Duration: time.Millisecond, Init: 3 * time.Millisecond, Output: []byte("out")},
		"put back": {Call: callID, Worker: worker, Start: faas.Warm, Duration: time.Millisecond, Reset: 2 * time.Microsecond, Output: []byte("out")},
		"empty":    {Call: callID, Worker: worker, Start: faas.Cold},
		"trap": {Call: callID, Worker: worker, Start: faas.Restored, Duration: time.Second, Restore: 9 * time.Microsecond, Err: &faas.Error{
			Code: faas.GuestTrapped, Message: "line one\nline two\x00", Call: callID, Trap: "unreachable",
			Backtrace: []faas.Frame{{Function: "main.main", Offset: 17}}, Stderr: "panic: \xff…\n",
		}},
		"exit":    {Call: callID, Err: &faas.Error{Code: faas.GuestFailed, ExitCode: 3, Message: "exit 3"}},
		"refusal": {Err: faas.Errorf(faas.NoCapacity, "full")},
	} {
		m := EncodeResult(r, "_INBOX.1")
		got := DecodeResult(m)
		if r.Err != nil { // JSON replaces what is no UTF-8
			want := *r.Err
			want.Stderr = strings.ToValidUTF8(want.Stderr, "\uFFFD")
			r.Err = &want
		}
		if m.Reply != "" || m.Subject != "_INBOX.1" || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: %+v (%v), want %+v (%v)", name, got, got.Err, r, r.Err)
		}
		for k, v := range m.Header {
			if strings.ContainsFunc(v[0], func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Errorf("%s: header %s is %q", name, k, v[0])
			}
		}
		if r.Err != nil && (m.Header[HeaderErrorCode][0] != strconv.Itoa(r.Err.Code.Status()) || m.Header[HeaderErrorText][0] == "") {
			t.Errorf("%s: the micro headers are %v", name, m.Header)
		}
	}
}

func TestDecodeResultOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		m    *nats.Msg
		want faas.Code
	}{
		"no responders":   {&nats.Msg{Header: nats.Header{"Status": {"503"}}}, faas.Unavailable},
		"a micro error":   {&nats.Msg{Header: nats.Header{HeaderErrorCode: {"500"}, HeaderErrorText: {"oh"}}}, faas.Internal},
		"code, no JSON":   {&nats.Msg{Header: nats.Header{HeaderCode: {"conflict"}, HeaderErrorText: {"oh"}}, Data: []byte("oh")}, faas.Conflict},
		"code not JSON's": {&nats.Msg{Header: nats.Header{HeaderCode: {"conflict"}}, Data: []byte(`{"code":"internal"}`)}, faas.Conflict},
		"a bare body":     {&nats.Msg{Data: []byte("out")}, ""},
		"bad headers":     {&nats.Msg{Header: nats.Header{HeaderCall: {"x"}, HeaderDuration: {"-5"}}}, ""},
	} {
		r := DecodeResult(c.m)
		var err error
		if r.Err != nil {
			err = r.Err
		}
		if faas.CodeOf(err) != c.want || r.Duration != 0 {
			t.Errorf("%s: %+v, %v, want %q", name, r, err, c.want)
		}
	}
}

func TestErrorMessages(t *testing.T) {
	m := EncodeError(errors.New("the disk is full"), "_INBOX.1")
	if r := DecodeResult(m); r.Err == nil || r.Err.Code != faas.Internal || r.Err.Message != "the disk is full" {
		t.Errorf("%+v", r.Err)
	}
	long := EncodeError(faas.Errorf(faas.Internal, "%s", strings.Repeat("é", 1000)), "x").Header[HeaderErrorText][0]
	if len(long) > 512 || strings.ContainsRune(long, '\uFFFD') {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

func TestMoved(t *testing.T) {
	m := EncodeMoved(callID, worker, "_INBOX.1")
	if m.Subject != "_INBOX.1" || Moved(m) != worker || IsNoResponders(m) || m.Header[HeaderCall][0] != callID.String() {
		t.Errorf("%+v", m)
	}
	if w := Moved(EncodeResult(&faas.Result{Call: callID, Worker: worker}, "x")); w != "" {
		t.Errorf("a result says that the call moved to %s", w)
	}
}

// TestHeadersAreListed wants every Header constant in Headers, for docs/subjects.md.
func TestHeadersAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, r := range Headers() {
		if listed[r.Header] || r.On == "" || r.What == "" {
			t.Errorf("row %+v is twice there, or not whole", r)
		}
		listed[r.Header] = true
	}
	f, err := parser.ParseFile(token.NewFileSet(), "header.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Header") || len(spec.Values) != 1 {
			return true
		}
		n++
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !listed[value] {
			t.Errorf("%s (%s) is not listed", spec.Names[0].Name, value)
		}
		return true
	})
	if n != len(listed) {
		t.Errorf("%d headers are listed, %d are there", len(listed), n)
	}
}

// message makes a message of lines "Header: value", for fuzzing.
func message(head string, body []byte) *nats.Msg {
	m := &nats.Msg{Header: nats.Header{}, Data: body}
	for line := range strings.SplitSeq(head, "\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			m.Header[k] = append(m.Header[k], v)
		}
	}
	return m
}

func lines(m *nats.Msg) string {
	var b strings.Builder
	for k, v := range m.Header {
		b.WriteString(k + ": " + v[0] + "\n")
	}
	return b.String()
}

func FuzzDecodeCall(f *testing.F) {
	f.Add(lines(EncodeCall(fullCall(), "x", "")), []byte("hello"))
	f.Add(lines(EncodeCall(&faas.Call{ID: callID, Name: echo, Version: v1, Timeout: time.Second}, "x", "")), []byte(nil))
	f.Fuzz(func(t *testing.T, head string, body []byte) {
		c, err := DecodeCall(message(head, body))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		again, err := DecodeCall(EncodeCall(c, "x", ""))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v comes back as %+v, %v", c, again, err)
		}
	})
}

func FuzzDecodeResult(f *testing.F) {
	for _, r := range []*faas.Result{
		{Call: callID, Worker: worker, Start: faas.Warm, Duration: time.Second, Output: []byte("out")},
		{Call: callID, Err: &faas.Error{Code: faas.GuestTrapped, Trap: "unreachable", Backtrace: []faas.Frame{{Function: "f"}}}},
	} {
		m := EncodeResult(r, "x")
		f.Add(lines(m), m.Data)
	}
	f.Add("Status: 503", []byte(nil))
	f.Fuzz(func(t *testing.T, head string, body []byte) {
		r := DecodeResult(message(head, body))
		if r.Err != nil && r.Output != nil || r.Err == nil && !bytes.Equal(r.Output, body) || r.Duration < 0 {
			t.Errorf("%+v", r)
		}
		if again := DecodeResult(EncodeResult(r, "x")); (again.Err == nil) != (r.Err == nil) || again.Call != r.Call {
			t.Errorf("%+v (%v) comes back as %+v (%v)", r, r.Err, again, again.Err)
		}
	})
}
