package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/shoal-run/shoal/bus/faas"
)

// headerCode has the code of an error.
const headerCode = "Shoal-Code"

// retryAfter is what a client is told to wait after no_capacity, in seconds.
const retryAfter = 1

// problemDocument is a faas.Error as RFC 9457 has it.
type problemDocument struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	*faas.Error
	Trace string `json:"trace,omitempty"`
}

// problem answers with err. An error without a code is internal.
func problem(w http.ResponseWriter, err error) {
	e := faas.AsError(err)
	problemStatus(w, e, e.Code.Status())
}

// problemStatus is problem with another status than the code's own.
func problemStatus(w http.ResponseWriter, e *faas.Error, status int) {
	h := w.Header()
	doc := problemDocument{Type: "about:blank", Title: titles[e.Code], Status: status, Error: e}
	if v := h["Traceparent"]; len(v) > 0 {
		doc.Trace = v[0]
	}
	body, jerr := json.Marshal(doc)
	if jerr != nil { // every field of doc has a JSON form
		body = []byte(`{"type":"about:blank","status":500,"code":"internal"}`)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set(headerCode, string(e.Code))
	if e.Code == faas.NoCapacity {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body) // the client may have left: there is nobody to tell
}

// titles says each code in words, as RFC 9457 §3.1.3 asks: the same for every occurrence.
var titles = map[faas.Code]string{
	faas.BadRequest:       "The request is malformed",
	faas.Unauthorized:     "Credentials are missing or unknown",
	faas.Forbidden:        "The credentials do not allow this",
	faas.NotFound:         "There is no such thing",
	faas.Conflict:         "Somebody else changed it first",
	faas.TooLarge:         "A body is over its limit",
	faas.InvalidModule:    "The module can't become a function",
	faas.RateLimited:      "Too many requests",
	faas.Cancelled:        "The call was cancelled",
	faas.GuestFailed:      "The function failed",
	faas.GuestTrapped:     "The function trapped",
	faas.OutOfMemory:      "The function ran out of memory",
	faas.Internal:         "Shoal failed",
	faas.NoCapacity:       "No worker has room",
	faas.Unavailable:      "A part that the call needs is away",
	faas.DeadlineExceeded: "The call ran out of time",
}
