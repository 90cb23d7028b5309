package bus

//go:generate go run ../internal/gen/subjects -o ../docs/subjects.md

// SubjectRow describes one subject, for docs/subjects.md.
type SubjectRow struct {
	Subject string // as its builder's doc comment has it, with <placeholders>
	From    string // who publishes
	To      string // who subscribes, with the queue group when it has one
	Payload string // body: a message type, or words
	Reply   string // what the publisher gets back; "" when nothing
	What    string
}

// Subjects returns every subject there is, in the order in which a reader wants them.
func Subjects() []SubjectRow {
	return []SubjectRow{
		{
			"shoal.v1.call.<tenant>.<function>", "any NATS client", "gateways, queue group " + GatewayQueue,
			"the input, byte for byte", "the output, or an error",
			"Calls a function. Of the request's headers the timeout and the trace context count, all others are dropped.",
		},
		{
			"shoalint.v1.plan", "holder of a call", "planners, queue group " + PlannerQueue,
			"a call", "first " + HeaderMoved + " with the worker, then what the worker answers; or a refusal",
			"Asks for a place for a call that the holder can't place itself.",
		},
		{
			"shoalint.v1.worker.<id>.call", "holder, planner", "that worker",
			"a call", "its result, or a refusal",
			"Gives a call to a worker. `no_capacity` means that the call did not start.",
		},
		{
			"shoalint.v1.worker.<id>.control", "holder, planner, gateway", "that worker",
			"Control", "empty, for ping and drain",
			"Asks a worker to cancel a call, answer, prewarm, evict, drain, or join again.",
		},
		{
			"shoalint.v1.worker.query", "planner, gateway, as they start", "workers; planners, queue group " + PlannerQueue,
			"empty", "",
			"Has every worker tell its state, and one planner every route, now.",
		},
		{
			"shoalint.v1.event.worker.<id>", "that worker", "planners, gateways",
			"WorkerEvent", "",
			"Tells that a worker joined, what it has free and warm (every 250 ms at least), that it drains, that it left.",
		},
		{
			"shoalint.v1.event.function.<tenant>.<function>", "upload", "workers, gateways",
			"FunctionEvent", "",
			"Tells that a function was deployed, changed or removed.",
		},
		{
			"shoalint.v1.event.route", "planner", "gateways, workers",
			"RouteEvent", "",
			"Tells which workers have a version of a function warm. No workers: the route is withdrawn.",
		},
		{
			"shoalint.v1.upload", "gateway", "upload services, queue group " + UploadQueue,
			"UploadRequest", "UploadReply, or an error",
			"Asks to deploy, change or remove a function. The module's bytes are in the object store. With `progress`, UploadProgress comes every 3 s until the answer does.",
		},
		{
			"shoalint.v1.upload.cancel", "gateway", "upload services, all of them",
			"UploadRequest of the kind cancel", "",
			"Gives up a deploy, named by its object, whose client has left. One that is being written to the registry goes on.",
		},
		{
			"shoalint.v1.log.<tenant>.<function>", "worker", "whoever follows; stream " + LogStream,
			"LogLine", "",
			"What a guest wrote to its log, line by line.",
		},
	}
}

// HeaderRow describes one header, for docs/subjects.md.
type HeaderRow struct {
	Header string
	On     string // the messages that carry it
	What   string
}

// Headers returns every header of calls and replies.
func Headers() []HeaderRow {
	const call, reply = "call", "reply"
	return []HeaderRow{
		{HeaderCall, "call, reply", "the call's id, a UUIDv7"},
		{HeaderRoot, call, "the id of the root call; absent when this is it"},
		{HeaderParent, call, "the id of the call whose guest made this one"},
		{HeaderFunction, call, "tenant/function"},
		{HeaderVersion, call, "sha256 of the module to run, in hexadecimal digits"},
		{HeaderTimeout, "call, client's request", "what is left of the call's time, in milliseconds; reduced at each hop"},
		{HeaderHops, call, "how often the call was passed on; absent when never"},
		{HeaderRefused, call, "ids of workers that refused the call, with commas between; absent when none did"},
		{HeaderFiles, call, "the revision of the tenant's shared files that the call must see, or a later one; absent when whichever the worker has will do"},
		{HeaderBody, "call, reply", "the object that has the body, when no message can carry it; the message's own body is empty"},
		{HeaderBodySize, "call, reply", "the size of that object, in bytes"},
		{HeaderTrace, "call, client's request", "W3C Trace Context"},
		{HeaderHostTrace, "call, client's request, reply", "in a call `1` asks for the guest's host calls; the reply has the last 64 KiB of them as text, a line as each begins and one as it ends, in gzip and base64: over HTTP a header of some KiB, which a proxy may have to be told to let through"},
		{HeaderMoved, "word to the holder", "the worker that the call was passed to; the body is empty and the answer comes later"},
		{HeaderWorker, reply, "the worker that ran the call"},
		{HeaderStart, reply, "how its Faaslet came to be: cold, restored or warm"},
		{HeaderDuration, reply, "how long the guest ran, in microseconds"},
		{HeaderInit, reply, "cold starts: how long it took to build the Faaslet from the module and run its initialiser, in microseconds, at least 1; part of the call's time"},
		{HeaderRestore, reply, "restored starts: how long it took to restore the Faaslet, likewise"},
		{HeaderReset, reply, "warm starts in a Faaslet that served a call before: how long it took to put it back after that, likewise. No call waited for it: it is done when the answer is sent"},
		{HeaderCode, reply, "the code of an error; absent on success. The body then is the error as JSON"},
		{HeaderErrorCode, reply, "the HTTP status of an error, as the NATS micro convention has it"},
		{HeaderErrorText, reply, "the message of an error, in one line"},
	}
}
