package bus

import (
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// Subjects are built and taken apart here and nowhere else. shoal.v1 is for clients, shoalint.v1 for services alone: an
// operator gives clients no permission on it.

// Queue groups.
const (
	GatewayQueue = "gateway" // one gateway takes each call of a NATS client
	PlannerQueue = "planner" // one planner places each call
	UploadQueue  = "upload"  // one upload service does each change
)

const (
	callPrefix     = "shoal.v1.call."
	workerPrefix   = "shoalint.v1.worker."
	eventWorker    = "shoalint.v1.event.worker."
	eventFunction  = "shoalint.v1.event.function."
	logPrefix      = "shoalint.v1.log."
	callToken      = ".call"
	controlToken   = ".control"
	anyTail        = ">"
	subjectPlan    = "shoalint.v1.plan"
	subjectUpload  = "shoalint.v1.upload"
	subjectUpStop  = "shoalint.v1.upload.cancel"
	subjectRoute   = "shoalint.v1.event.route"
	subjectQuery   = "shoalint.v1.worker.query"
	logAll         = "shoalint.v1.log.>"
	wildcardCalls  = "shoal.v1.call.*.*"
	wildcardWorker = "shoalint.v1.event.worker.*"
)

// CallSubject is where any NATS client calls a function.
//
//	shoal.v1.call.<tenant>.<function>
func CallSubject(n faas.Name) string { return callPrefix + n.Tenant + "." + n.Function }

// CallWildcard is what gateways subscribe to, in the queue group GatewayQueue.
//
//	shoal.v1.call.*.*
func CallWildcard() string { return wildcardCalls }

// ParseCallSubject returns the function that a client's call is for.
func ParseCallSubject(subject string) (faas.Name, error) { return parseName(subject, callPrefix) }

// PlanSubject is where a holder or a worker sends a call that it can't place; planners subscribe in PlannerQueue.
//
//	shoalint.v1.plan
func PlanSubject() string { return subjectPlan }

// WorkerCallSubject is where a placed call goes; the worker subscribes to its own.
//
//	shoalint.v1.worker.<id>.call
func WorkerCallSubject(id faas.WorkerID) string { return workerPrefix + string(id) + callToken }

// WorkerControlSubject is where a worker hears Control messages; the worker subscribes to its own.
//
//	shoalint.v1.worker.<id>.control
func WorkerControlSubject(id faas.WorkerID) string { return workerPrefix + string(id) + controlToken }

// WorkerQuerySubject asks every worker for an event of its present state, so that a fresh listener need not wait for beats.
//
//	shoalint.v1.worker.query
func WorkerQuerySubject() string { return subjectQuery }

// WorkerEventSubject is where a worker tells WorkerEvents.
//
//	shoalint.v1.event.worker.<id>
func WorkerEventSubject(id faas.WorkerID) string { return eventWorker + string(id) }

// WorkerEventWildcard is what gateways and planners subscribe to.
//
//	shoalint.v1.event.worker.*
func WorkerEventWildcard() string { return wildcardWorker }

// ParseWorkerEventSubject returns the worker that told an event.
func ParseWorkerEventSubject(subject string) (faas.WorkerID, error) {
	id, ok := strings.CutPrefix(subject, eventWorker)
	if !ok {
		return "", faas.Errorf(faas.BadRequest, "subject %q is not %s<id>", clip(subject), eventWorker)
	}
	return faas.WorkerID(id), faas.CheckWorkerID(faas.WorkerID(id))
}

// FunctionEventSubject is where the upload service tells FunctionEvents.
//
//	shoalint.v1.event.function.<tenant>.<function>
func FunctionEventSubject(n faas.Name) string { return eventFunction + n.Tenant + "." + n.Function }

// FunctionEventWildcard is what workers and gateways subscribe to.
//
//	shoalint.v1.event.function.>
func FunctionEventWildcard() string { return eventFunction + anyTail }

// ParseFunctionEventSubject returns the function that an event is about.
func ParseFunctionEventSubject(subject string) (faas.Name, error) {
	return parseName(subject, eventFunction)
}

// RouteEventSubject is where planners tell RouteEvents; gateways and workers subscribe.
//
//	shoalint.v1.event.route
func RouteEventSubject() string { return subjectRoute }

// UploadSubject is where gateways send UploadRequests; upload services subscribe in UploadQueue.
//
//	shoalint.v1.upload
func UploadSubject() string { return subjectUpload }

// UploadCancelSubject is where gateways tell that nobody waits for a deploy any more; every upload service subscribes,
// because only one has it and nobody else knows which.
//
//	shoalint.v1.upload.cancel
func UploadCancelSubject() string { return subjectUpStop }

// LogSubject is where workers tell LogLines of one function.
//
//	shoalint.v1.log.<tenant>.<function>
func LogSubject(n faas.Name) string { return logPrefix + n.Tenant + "." + n.Function }

// LogWildcard matches the LogSubject of every function; the stream LogStream keeps it.
//
//	shoalint.v1.log.>
func LogWildcard() string { return logAll }

// ParseLogSubject returns the function that a log line is of.
func ParseLogSubject(subject string) (faas.Name, error) { return parseName(subject, logPrefix) }

// Names of what Shoal keeps in JetStream.
const (
	FunctionsBucket = "shoal_functions" // key-value: the registry
	ModulesBucket   = "shoal_modules"   // object store: modules and their compiled artefacts
	ProtosBucket    = "shoal_protos"    // object store: Proto-Faaslets
	PayloadsBucket  = "shoal_payloads"  // object store: bodies of calls that are too large for a message
	FilesBucket     = "shoal_files"     // key-value: the index of tenants' shared files; object store: their contents
	LogStream       = "SHOAL_LOGS"      // stream: the last faas.LogLines lines of each function
)

func parseName(subject, prefix string) (faas.Name, error) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return faas.Name{}, faas.Errorf(faas.BadRequest, "subject %q is not %s<tenant>.<function>", clip(subject), prefix)
	}
	tenant, function, ok := strings.Cut(rest, ".")
	if !ok {
		return faas.Name{}, faas.Errorf(faas.BadRequest, "subject %q has no function: want %s<tenant>.<function>", clip(subject), prefix)
	}
	n := faas.Name{Tenant: tenant, Function: function}
	return n, n.Validate()
}
