package bus

import (
	"encoding/json"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Message is a control message: a JSON document whose "type" names it and its major version. Fields are only ever added;
// a reader ignores those it does not know. Each has a golden file in testdata.
type Message interface{ messageType() string }

// WorkerEvent is what a worker tells of itself: when it joins, every beat, when it drains and when it leaves.
type WorkerEvent struct {
	Kind   WorkerEventKind `json:"kind"`
	Seq    uint64          `json:"seq"` // grows by one with each event of an incarnation
	Worker faas.Worker     `json:"worker"`
}

// WorkerEventKind says why a WorkerEvent was told.
type WorkerEventKind string

// The worker events.
const (
	EventJoined   WorkerEventKind = "joined"
	EventBeat     WorkerEventKind = "beat"
	EventDraining WorkerEventKind = "draining"
	EventLeft     WorkerEventKind = "left"
)

// FunctionEvent tells that the registry has changed.
type FunctionEvent struct {
	Kind     FunctionEventKind `json:"kind"`
	Function faas.Function     `json:"function"`
}

// FunctionEventKind says what happened to a function.
type FunctionEventKind string

// The function events.
const (
	FunctionDeployed FunctionEventKind = "deployed" // a new version
	FunctionChanged  FunctionEventKind = "changed"  // other settings, same version
	FunctionRemoved  FunctionEventKind = "removed"
)

// RouteEvent tells which workers have a version of a function warm, best first. An empty list withdraws the route.
type RouteEvent struct {
	Name    faas.Name       `json:"name"`
	Version faas.Version    `json:"version"`
	Workers []faas.WorkerID `json:"workers"`
}

// Control asks something of one worker. Ping and Drain are requests, answered by an empty message.
type Control struct {
	Kind    ControlKind  `json:"kind"`
	Call    faas.CallID  `json:"call,omitzero"`     // cancel
	Name    faas.Name    `json:"name,omitzero"`     // prewarm, evict
	Version faas.Version `json:"version,omitempty"` // prewarm, evict
	Count   int          `json:"count,omitempty"`   // prewarm: Faaslets to have ready
}

// ControlKind says what a Control asks.
type ControlKind string

// The controls.
const (
	Cancel  ControlKind = "cancel"  // end a call as cancelled
	Ping    ControlKind = "ping"    // answer, to prove that you live
	Prewarm ControlKind = "prewarm" // have Faaslets ready
	Evict   ControlKind = "evict"   // drop idle Faaslets
	Drain   ControlKind = "drain"   // take no more calls, finish, leave
	Rejoin  ControlKind = "rejoin"  // you were taken for dead: join again as a new incarnation
)

// UploadRequest asks the upload service to change the registry.
type UploadRequest struct {
	Kind     UploadKind      `json:"kind"`
	Name     faas.Name       `json:"name"`
	Object   string          `json:"object,omitempty"`   // deploy, cancel: where the module's bytes are in the bucket ModulesBucket; no two deploys have the same
	Version  faas.Version    `json:"version,omitempty"`  // deploy: the digest that the gateway counted while it stored them
	Settings json.RawMessage `json:"settings,omitempty"` // deploy, change: a JSON merge patch (RFC 7396) of faas.Settings
	Progress bool            `json:"progress,omitempty"` // deploy: tell UploadProgress, at once and every UploadBeat, until the answer
}

// UploadBeat is how often an upload service tells of a deploy whose UploadRequest asks for Progress.
const UploadBeat = 3 * time.Second

// UploadKind says what an UploadRequest asks.
type UploadKind string

// The upload requests.
const (
	Deploy UploadKind = "deploy"
	Change UploadKind = "change"
	Remove UploadKind = "remove"

	CancelDeploy UploadKind = "cancel" // on UploadCancelSubject: nobody waits for the deploy of this object any more
)

// UploadReply answers an UploadRequest that was done; one that was not is answered with an error (EncodeError).
type UploadReply struct {
	Function  faas.Function `json:"function"`
	Unchanged bool          `json:"unchanged,omitempty"`  // the function already was as asked
	CompileMs int64         `json:"compile_ms,omitempty"` // deploy: how long compiling took; 0 when an artefact was there
}

// UploadProgress tells who waits for a deploy's answer that the upload service has it still. The answer comes at the same
// reply subject.
type UploadProgress struct {
	State UploadState `json:"state"`
}

// UploadState says what a deploy is at.
type UploadState string

// The states of a deploy.
const (
	UploadWaiting UploadState = "waiting" // for its turn
	UploadRunning UploadState = "running"
)

// LogLine is one line that a guest wrote.
type LogLine struct {
	Call   faas.CallID   `json:"call,omitzero"` // zero: written by an initialiser, before any call
	Worker faas.WorkerID `json:"worker"`
	Stream LogStreamName `json:"stream"`
	Time   time.Time     `json:"time"` // the worker's clock, at the end of the call
	Line   string        `json:"line"` // without its line feed; bytes that are no UTF-8 are replaced
}

// LogStreamName is the descriptor that a log line was written to.
type LogStreamName string

// The log streams.
const (
	Stdout LogStreamName = "stdout"
	Stderr LogStreamName = "stderr"
)

func (WorkerEvent) messageType() string    { return "shoal.v1.worker_event" }
func (FunctionEvent) messageType() string  { return "shoal.v1.function_event" }
func (RouteEvent) messageType() string     { return "shoal.v1.route_event" }
func (Control) messageType() string        { return "shoal.v1.control" }
func (UploadRequest) messageType() string  { return "shoal.v1.upload_request" }
func (UploadReply) messageType() string    { return "shoal.v1.upload_reply" }
func (UploadProgress) messageType() string { return "shoal.v1.upload_progress" }
func (LogLine) messageType() string        { return "shoal.v1.log_line" }

// checked messages are refused by Unmarshal when what they are about is missing.
type checked interface{ check() error }

func (e FunctionEvent) check() error { return e.Function.Name.Validate() }
func (e RouteEvent) check() error    { return e.Name.Validate() }
func (r UploadRequest) check() error { return r.Name.Validate() }
func (r UploadReply) check() error   { return r.Function.Name.Validate() }

func (e WorkerEvent) check() error {
	for i := range e.Worker.Warm {
		if err := e.Worker.Warm[i].Name.Validate(); err != nil {
			return err
		}
	}
	return faas.CheckWorkerID(e.Worker.ID)
}

type envelope struct {
	Type string `json:"type"`
}

// Marshal encodes m with its type. Messages hold nothing that JSON can't, so it does not fail; it panics if that changes.
func Marshal(m Message) []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic("bus: " + m.messageType() + ": " + err.Error())
	}
	head, _ := json.Marshal(envelope{m.messageType()}) // a struct of one string
	if len(body) == 2 {                                // {}
		return head
	}
	out := make([]byte, 0, len(head)+len(body))
	out = append(out, head[:len(head)-1]...)
	out = append(out, ',')
	return append(out, body[1:]...)
}

// Unmarshal decodes a message of type M; another type, broken JSON or the lack of what the message is about is a
// bad_request Error.
func Unmarshal[M Message](b []byte) (M, error) {
	var m M
	var head envelope
	if err := json.Unmarshal(b, &head); err != nil {
		return m, faas.Errorf(faas.BadRequest, "message %s: %s", m.messageType(), err)
	}
	if head.Type != m.messageType() {
		return m, faas.Errorf(faas.BadRequest, "message has type %q, want %q", head.Type, m.messageType())
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, faas.Errorf(faas.BadRequest, "message %s: %s", m.messageType(), err)
	}
	if c, ok := any(m).(checked); ok {
		if err := c.check(); err != nil {
			return m, faas.Errorf(faas.BadRequest, "message %s: %s", m.messageType(), faas.AsError(err).Message)
		}
	}
	return m, nil
}
