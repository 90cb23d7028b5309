package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// handler returns every route of the gateway. openapi.yaml describes them; a test compares the two.
func (g *Gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range g.table() {
		mux.HandleFunc(r.pattern, r.handle)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, faas.Errorf(faas.NotFound, "nothing is at %s %s", r.Method, r.URL.Path).Hint("GET /openapi.yaml lists what is"))
	})
	return strict(mux)
}

// route is one HTTP route, as net/http.ServeMux has it.
type route struct {
	pattern string
	handle  http.HandlerFunc
}

func (g *Gateway) table() []route {
	return []route{
		{"POST /v1/call/{tenant}/{function}", g.postCall},
		{"GET /v1/functions", g.listFunctions},
		{"GET /v1/functions/{tenant}", g.listFunctions},
		{"PUT /v1/functions/{tenant}/{function}", g.putFunction},
		{"GET /v1/functions/{tenant}/{function}", g.getFunction},
		{"PATCH /v1/functions/{tenant}/{function}", g.patchFunction},
		{"DELETE /v1/functions/{tenant}/{function}", g.deleteFunction},
		{"GET /v1/functions/{tenant}/{function}/logs", g.getLogs},
		{"GET /v1/calls/{id}/output", g.getOutput},
		{"GET /v1/files/{tenant}", g.counted(g.listFiles)},
		{"PUT /v1/files/{tenant}/{path...}", g.counted(g.putFile)},
		{"GET /v1/files/{tenant}/{path...}", g.counted(g.getFile)},
		{"DELETE /v1/files/{tenant}/{path...}", g.counted(g.deleteFile)},
		{"GET /v1/workers", g.listWorkers},
		{"GET /healthz", g.healthz},
		{"GET /readyz", g.readyz},
		{"GET /metrics", g.cfg.Metrics.Handler().ServeHTTP},
		{"GET /openapi.yaml", g.openapi},
	}
}

// postCall runs a function: the request's body is its input, the answer's body its output.
func (g *Gateway) postCall(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	refuse := func(err error) {
		g.meters.http.refused(err)
		problem(w, err)
	}
	n, err := pathName(r)
	if err != nil {
		refuse(err)
		return
	}
	c, refusal := g.newCall(n, r.Header.Get(bus.HeaderTimeout), r.Header.Get(bus.HeaderTrace), r.Header.Get(bus.HeaderHostTrace))
	if refusal != nil {
		refuse(refusal)
		return
	}
	release, err := g.readInput(w, r, c)
	if err != nil {
		refuse(err)
		return
	}
	defer release()
	if c.Body != nil {
		defer g.discard(c.Body)
	}
	answered := make(chan *faas.Result, 1)
	handle := g.hold(c, func(res *faas.Result) { answered <- res })
	var res *faas.Result
	select {
	case res = <-answered:
	case <-r.Context().Done(): // the client left
		handle.Cancel(faas.Errorf(faas.Cancelled, "the client left"))
		res = <-answered
	}
	g.meters.http.ended(began, res)
	h := w.Header()
	h[bus.HeaderCall] = []string{res.Call.String()}
	if res.Worker != "" {
		h[bus.HeaderWorker] = []string{string(res.Worker)}
	}
	if res.Start != "" {
		h[bus.HeaderStart] = []string{string(res.Start)}
		h[bus.HeaderDuration] = []string{strconv.FormatInt(res.Duration.Microseconds(), 10)}
		if header, us := bus.StartTime(res); us > 0 {
			h[header] = []string{strconv.FormatInt(us, 10)}
		}
	}
	if len(res.HostTrace) > 0 {
		h[bus.HeaderHostTrace] = []string{faas.PackHostTrace(res.HostTrace)}
	}
	if res.Err != nil {
		if c.TraceParent != "" {
			h["Traceparent"] = []string{c.TraceParent}
		}
		problem(w, res.Err)
		return
	}
	if res.Body != nil {
		defer g.discard(res.Body)
		g.sendBody(w, r, res.Body)
		return
	}
	if size := int64(len(res.Output)); size > freeBody {
		if held := g.bodies.take(size); held != nil { // it is here already: what can't be counted is sent all the same
			defer held()
		}
		defer patience(w, size)()
	}
	h["Content-Type"] = octetStream
	h["Content-Length"] = []string{strconv.Itoa(len(res.Output))}
	_, _ = w.Write(res.Output) // the client may have left: there is nobody to tell
}

var octetStream = []string{"application/octet-stream"}

// pathName returns the function that a request's path names.
func pathName(r *http.Request) (faas.Name, error) {
	n := faas.Name{Tenant: r.PathValue("tenant"), Function: r.PathValue("function")}
	return n, n.Validate()
}

// readBody reads a request's body of at most limit bytes, in one allocation when its length was said.
func readBody(w http.ResponseWriter, r *http.Request, limit faas.Size) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > int64(limit) {
		w.Header().Set("Connection", "close") // the rest of the body is not read
		return nil, tooLarge(limit)
	}
	if n := r.ContentLength; n > 0 {
		b := make([]byte, n)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, bodyError(err)
		}
		return b, nil
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	if err != nil {
		return nil, bodyError(err)
	}
	return b, nil
}

func bodyError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return faas.Errorf(faas.BadRequest, "the body came too slowly: at least %s a second is wanted", faas.Size(bodyRate))
	}
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return tooLarge(faas.Size(over.Limit))
	}
	return faas.Errorf(faas.BadRequest, "the body ended early: %s", err)
}

// openapi serves the description of all this.
func (g *Gateway) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = fmt.Fprint(w, openapiDocument)
}
