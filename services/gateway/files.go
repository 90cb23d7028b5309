package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// Shared files of tenants. The gateway itself writes them, as it does bodies of calls: there is nothing to compile or to
// sign, the index compares and sets, and so no other service has to live for it. Contents that no file has any more the
// upload service sweeps, as it does all that is kept.

const (
	filesPrefix = "/v1/files/"
	// putMemory is what a put takes of the memory for bodies, at most: the window of pieces on their way to the store.
	putMemory = 4 << 20
	// Files in one page of a list.
	defaultPage = 1000
	maxPage     = 10_000
)

// filesDocument is one page of a list.
type filesDocument struct {
	Files []faas.File `json:"files"`
	Next  string      `json:"next,omitempty"` // what `after` is for the next page; absent on the last one
}

// counted counts requests for files, by what they were answered.
func (g *Gateway) counted(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		serve(w, r)
		if code := w.Header().Get(headerCode); code != "" {
			g.meters.files.Of(faas.Code(code)).Add()
			return
		}
		g.meters.filesOK.Add()
	}
}

// putFile stores the request's body as a file.
func (g *Gateway) putFile(w http.ResponseWriter, r *http.Request) {
	size := r.ContentLength
	refuse := func(err error) {
		if size < 0 || size > freeBody {
			w.Header().Set("Connection", "close") // the rest of the body is not read
		}
		fileProblem(w, err)
	}
	if r.Header.Get("Content-Range") != "" { // RFC 9110 §14.5
		refuse(faas.Errorf(faas.BadRequest, "a part of a file can't be put, only all of it"))
		return
	}
	window := int64(putMemory)
	if size >= 0 {
		window = min(size, window)
	}
	release := g.bodies.take(window)
	if release == nil {
		refuse(g.bodies.refusal())
		return
	}
	defer release()
	body, done := paced(w, r)
	f, created, err := g.cfg.Files.Put(r.Context(), files.Upload{
		Tenant: r.PathValue("tenant"), Path: r.PathValue("path"), Body: body, Size: size, If: condition(r),
	})
	done()
	switch {
	case err == nil:
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		refuse(bodyError(err))
		return
	default:
		refuse(err)
		return
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	w.Header().Set("ETag", etag(f))
	writeJSON(w, status, f)
}

// getFile answers with a file's contents, to HEAD with what there is to know of them.
func (g *Gateway) getFile(w http.ResponseWriter, r *http.Request) {
	tenant, path := r.PathValue("tenant"), r.PathValue("path")
	var f faas.File
	var body io.ReadCloser
	var err error
	if r.Method == http.MethodHead {
		f, err = g.cfg.Files.Stat(r.Context(), tenant, path)
	} else if f, body, err = g.cfg.Files.Open(r.Context(), tenant, path); err == nil {
		defer body.Close()
	}
	if err != nil {
		fileProblem(w, err)
		return
	}
	h := w.Header()
	h.Set("ETag", etag(f))
	h.Set("Last-Modified", f.Modified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "none")
	if err := condition(r)(&f); err != nil {
		if errors.Is(err, errUnchanged) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fileProblem(w, err)
		return
	}
	h["Content-Type"] = octetStream
	h.Set("X-Content-Type-Options", "nosniff") // a browser must not run what a tenant stored
	h["Content-Length"] = []string{strconv.FormatInt(f.Size, 10)}
	if body == nil {
		return
	}
	defer patience(w, f.Size)()
	if err := copyChecked(w, body, f.Size); err != nil && r.Context().Err() == nil {
		g.log.Warn("file not sent to its end", "tenant", tenant, "file", path, telemetry.KeyErr, err)
	}
}

// copyChecked sends size bytes of body, the last of them only when body has said that all were right: a client takes an
// answer that is shorter than announced for broken.
func copyChecked(w io.Writer, body io.Reader, size int64) error {
	if _, err := io.CopyN(w, body, max(size-1, 0)); err != nil {
		return err
	}
	last, err := io.ReadAll(io.LimitReader(body, 2))
	if err == nil && int64(len(last)) != min(size, 1) {
		err = errors.New("the contents have another size than the index says")
	}
	if err != nil {
		return err
	}
	_, err = w.Write(last)
	return err
}

// deleteFile deletes a file.
func (g *Gateway) deleteFile(w http.ResponseWriter, r *http.Request) {
	if err := g.cfg.Files.Delete(r.Context(), r.PathValue("tenant"), r.PathValue("path"), condition(r)); err != nil {
		fileProblem(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// listFiles lists a tenant's files, a page at a time.
func (g *Gateway) listFiles(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page := defaultPage
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPage {
			problem(w, faas.Errorf(faas.BadRequest, "limit: %q is not a number from 1 to %d", v, maxPage))
			return
		}
		page = n
	}
	list, more, err := g.cfg.Files.List(r.Context(), r.PathValue("tenant"), q.Get("prefix"), q.Get("after"), page)
	if err != nil {
		fileProblem(w, err)
		return
	}
	doc := filesDocument{Files: list}
	if list == nil {
		doc.Files = []faas.File{}
	}
	if more {
		doc.Next = list[len(list)-1].Path
	}
	writeJSON(w, http.StatusOK, doc)
}

// strict refuses, before the mux would redirect it to another path, a request whose path has empty parts, "." or "..".
func strict(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); strings.HasPrefix(p, filesPrefix) && path.Clean(p) != strings.TrimSuffix(p, "/") {
			problem(w, faas.Errorf(faas.BadRequest, "path %q: a file's path has no empty parts, no \".\" and no \"..\"", r.URL.Path))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func etag(f faas.File) string { return `"` + f.Digest + `"` }

// errUnchanged is what If-None-Match asks to be told: for GET it is no failure.
var errUnchanged = precondition("the file is there already, as If-None-Match says it must not be")

// preconditionError is a condition of the client's that does not hold: the code is conflict, the status of HTTP's own 412.
type preconditionError struct{ err *faas.Error }

func (e *preconditionError) Error() string { return e.err.Error() }
func (e *preconditionError) Unwrap() error { return e.err }

func precondition(why string) error {
	return &preconditionError{faas.Errorf(faas.Conflict, "%s", why)}
}

// condition returns what a request's If-Match and If-None-Match ask of the file that is there.
func condition(r *http.Request) files.Condition {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	return func(now *faas.File) error {
		switch {
		case len(match) > 0 && !matches(match, now):
			return precondition("the file is not the one that If-Match names: somebody has changed it, or there is none")
		case len(none) > 0 && matches(none, now):
			return errUnchanged
		}
		return nil
	}
}

// matches reports whether one of the ETags of a header, or "*", is that of f, which is nil when there is none.
func matches(header []string, f *faas.File) bool {
	if f == nil {
		return false
	}
	for _, line := range header {
		for tag := range strings.SplitSeq(line, ",") {
			if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == "*" || tag == etag(*f) {
				return true
			}
		}
	}
	return false
}

// fileProblem is problem, with 412 for a condition that does not hold.
func fileProblem(w http.ResponseWriter, err error) {
	var failed *preconditionError
	if errors.As(err, &failed) {
		problemStatus(w, failed.err, http.StatusPreconditionFailed)
		return
	}
	if errors.Is(err, context.Canceled) {
		err = faas.Errorf(faas.Cancelled, "the client left")
	}
	problem(w, err)
}
