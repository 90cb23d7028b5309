package bus

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	echo    = faas.Name{Tenant: "demo", Function: "echo"}
	v1      = faas.VersionOf([]byte("one"))
	worker  = faas.WorkerID("alpha-0191e7c2a1b2")
	callID  = mustID("01890a5d-ac96-774b-bcce-b302099a8057")
	rootID  = mustID("01890a5d-ac96-774b-bcce-b302099a8001")
	instant = time.Date(2026, 7, 1, 12, 30, 15, 250_000_000, time.UTC)
)

func mustID(s string) faas.CallID {
	id, err := faas.ParseCallID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func function() faas.Function {
	return faas.Function{
		Name: echo, Version: v1, Kind: faas.Reactor, Entry: "handle", Size: 123456,
		Imports: []faas.Import{{Module: "env", Name: "__faasm_read_input"}},
		Settings: faas.Settings{
			Memory: 64 * faas.MiB, Timeout: faas.Duration(5 * time.Second), Concurrency: 3, MinWarm: 1, Reset: faas.ResetNever,
			KeepAlive: faas.Duration(time.Minute), Env: map[string]string{"MODE": "test"},
		},
		Deployed: instant, Changed: instant.Add(time.Hour), Revision: 42,
	}
}

// golden has an example of each message, by the name of its file. A message's every field is set in one of them.
func golden() map[string]Message {
	return map[string]Message{
		"worker_event": WorkerEvent{Kind: EventBeat, Seq: 7, Worker: faas.Worker{
			ID: worker, Name: "alpha", State: faas.WorkerJoined, Slots: faas.Slots{Total: 8, Free: 3, Queued: 1, Queue: 16},
			CPUFeatures: "avx2,bmi2", Engine: "wasmtime-25.0.0", Memory: 200 * faas.MiB, Started: instant, Seen: instant.Add(time.Second),
			Warm: []faas.WarmCounts{{
				Name: echo, Version: v1, Ready: 2, Running: 5, Starts: faas.Starts{Cold: 1, Restored: 3, Warm: 70},
				MedianUs: faas.Times{Init: 2500, Restore: 9, Run: 120, Reset: 3},
			}},
		}},
		"function_event":          FunctionEvent{Kind: FunctionDeployed, Function: function()},
		"route_event":             RouteEvent{Name: echo, Version: v1, Workers: []faas.WorkerID{worker, "beta-0191e7c2a1b2"}},
		"route_event_withdrawn":   RouteEvent{Name: echo, Version: v1, Workers: []faas.WorkerID{}},
		"control_cancel":          Control{Kind: Cancel, Call: callID},
		"control_ping":            Control{Kind: Ping},
		"control_prewarm":         Control{Kind: Prewarm, Name: echo, Version: v1, Count: 4},
		"upload_request_deploy":   UploadRequest{Kind: Deploy, Name: echo, Object: "incoming/1", Version: v1, Settings: json.RawMessage(`{"memory":"64MiB"}`)},
		"upload_request_progress": UploadRequest{Kind: Deploy, Name: echo, Object: "incoming/2", Version: v1, Progress: true},
		"upload_request_change":   UploadRequest{Kind: Change, Name: echo, Settings: json.RawMessage(`{"env":{"MODE":null}}`)},
		"upload_request_cancel":   UploadRequest{Kind: CancelDeploy, Name: echo, Object: "incoming/1"},
		"upload_progress":         UploadProgress{State: UploadWaiting},
		"upload_reply":            UploadReply{Function: function(), CompileMs: 1500},
		"upload_reply_unchanged":  UploadReply{Function: function(), Unchanged: true},
		"log_line":                LogLine{Call: callID, Worker: worker, Stream: Stderr, Time: instant, Line: "it \"works\" <here>"},
	}
}

// TestGolden defends ADR-2: what a message looks like only ever grows.
func TestGolden(t *testing.T) {
	for name, m := range golden() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".json")
			body := Marshal(m)
			var have bytes.Buffer
			if err := json.Indent(&have, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			have.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, have.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(have.Bytes(), want) {
				t.Errorf("is now\n%s\nwas\n%s", &have, want)
			}
			back, err := decode(m, want)
			if err != nil || !bytes.Equal(Marshal(back), body) {
				t.Errorf("comes back as %+v, %v", back, err)
			}
			// A later version's field is overlooked.
			later := bytes.Replace(body, []byte("{"), []byte(`{"later":{"than":["this"]},`), 1)
			if back, err = decode(m, later); err != nil || !bytes.Equal(Marshal(back), body) {
				t.Errorf("with a field more: %+v, %v", back, err)
			}
		})
	}
}

// decode is Unmarshal for the type of m.
func decode(m Message, b []byte) (Message, error) {
	switch m.(type) {
	case WorkerEvent:
		return Unmarshal[WorkerEvent](b)
	case FunctionEvent:
		return Unmarshal[FunctionEvent](b)
	case RouteEvent:
		return Unmarshal[RouteEvent](b)
	case Control:
		return Unmarshal[Control](b)
	case UploadRequest:
		return Unmarshal[UploadRequest](b)
	case UploadReply:
		return Unmarshal[UploadReply](b)
	case UploadProgress:
		return Unmarshal[UploadProgress](b)
	case LogLine:
		return Unmarshal[LogLine](b)
	default:
		panic("decode lacks " + m.messageType())
	}
}

// TestEveryMessageHasAGoldenFile also finds golden files of no message, and fields that no golden file shows.
func TestEveryMessageHasAGoldenFile(t *testing.T) {
	types := map[string]bool{} // receivers of messageType
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "messageType" && fn.Recv != nil {
				types[fn.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	all := golden()
	unset := map[string]map[string]bool{}
	for _, m := range all {
		v := reflect.ValueOf(m)
		name := v.Type().Name()
		delete(types, name)
		if unset[name] == nil {
			unset[name] = map[string]bool{}
			for i := range v.NumField() {
				unset[name][v.Type().Field(i).Name] = true
			}
		}
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				delete(unset[name], v.Type().Field(i).Name)
			}
		}
	}
	for name := range types {
		t.Errorf("%s has no golden file", name)
	}
	for name, fields := range unset {
		for f := range fields {
			t.Errorf("no golden file of %s shows %s", name, f)
		}
	}
	names, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if all[strings.TrimSuffix(filepath.Base(n), ".json")] == nil {
			t.Errorf("%s is of no message", n)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":       {"", "shoal.v1.control"},
		"no JSON":       {"ping", "shoal.v1.control"},
		"no type":       {`{"kind":"ping"}`, `type ""`},
		"another type":  {string(Marshal(RouteEvent{})), "shoal.v1.route_event"},
		"another major": {`{"type":"shoal.v2.control","kind":"ping"}`, "shoal.v2.control"},
		"wrong field":   {`{"type":"shoal.v1.control","count":"many"}`, "count"},
		"bad name":      {`{"type":"shoal.v1.control","name":"Demo"}`, "no tenant"},
		"bad call":      {`{"type":"shoal.v1.control","call":"1"}`, "call id"},
	} {
		_, err := Unmarshal[Control]([]byte(c.in))
		if faas.CodeOf(err) != faas.BadRequest || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a bad_request with %q", name, err, c.want)
		}
	}
}

func TestUnmarshalWantsItsSubject(t *testing.T) {
	for _, m := range golden() {
		if _, is := m.(checked); !is {
			continue
		}
		if _, err := decode(m, []byte(`{"type":"`+m.messageType()+`"}`)); faas.CodeOf(err) != faas.BadRequest {
			t.Errorf("%s about nothing: %v", m.messageType(), err)
		}
	}
	for _, in := range []string{`"id":"alpha"`, `"id":"alpha-0191e7c2a1b2","warm":[{}]`} {
		if _, err := Unmarshal[WorkerEvent]([]byte(`{"type":"shoal.v1.worker_event","worker":{` + in + `}}`)); faas.CodeOf(err) != faas.BadRequest {
			t.Errorf("worker with %s: %v", in, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, m := range golden() {
		f.Add(Marshal(m))
	}
	f.Add([]byte(`{"type":"shoal.v1.worker_event","worker":{"slots":{"free":-1},"memory":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range golden() {
			got, err := decode(m, b)
			if err != nil {
				if faas.CodeOf(err) != faas.BadRequest {
					t.Errorf("error %v", err)
				}
				continue
			}
			body := Marshal(got)
			again, err := decode(m, body)
			if err != nil || !bytes.Equal(Marshal(again), body) {
				t.Errorf("%s comes back as %s, %v", body, Marshal(again), err)
			}
		}
	})
}
