package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// After a load that failed for a reason of the worker's own, its version rests, twice as long each time.
const (
	firstLoadRest = time.Second
	lastLoadRest  = 30 * time.Second
	// failedLately is for how long such a failure keeps the worker from being ready.
	failedLately = 30 * time.Second
	// tellLoadEvery is how often the same failure is logged.
	tellLoadEvery = 10 * time.Second
)

// failures is what is known of versions whose last load failed. modules.mu guards it.
type failures map[faas.Version]*failure

type failure struct {
	err   error
	words string // of err, without paths
	own   bool   // the worker's, see ownFault
	row   int    // failures in a row
	last  time.Time
	told  time.Time // when it was logged
}

// rest is how long the version is left alone after its last failure.
func (f *failure) rest() time.Duration { return min(firstLoadRest<<min(f.row-1, 16), lastLoadRest) }

// resting returns the last failure of a version that is not to be tried again yet, else nil.
func (all failures) resting(v faas.Version, now time.Time) error {
	if f := all[v]; f != nil && f.own && now.Sub(f.last) < f.rest() {
		return f.err
	}
	return nil
}

// note takes down how a load ended and reports whether to log its failure.
func (all failures) note(v faas.Version, err error, now time.Time) (tell bool) {
	if err == nil {
		delete(all, v)
		return false
	}
	if errors.As(err, new(noRoom)) { // there may be some at once: nothing to wait for
		return false
	}
	maps.DeleteFunc(all, func(_ faas.Version, f *failure) bool { return now.Sub(f.last) > 2*lastLoadRest })
	f := all[v]
	if f == nil {
		f = new(failure)
		all[v] = f
	}
	words := pathless(err)
	tell = words != f.words || now.Sub(f.told) >= tellLoadEvery
	if tell {
		f.told = now
	}
	f.err, f.words, f.own, f.last = err, words, ownFault(err), now
	f.row++
	return tell
}

// check says why the worker isn't to be counted on: what it could not load lately.
func (ms *modules) check() error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	n, now := 0, time.Now()
	var last *failure
	for _, f := range ms.failed {
		if !f.own || now.Sub(f.last) >= failedLately {
			continue
		}
		if n++; last == nil || f.last.After(last.last) {
			last = f
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d could not be loaded lately; the last: %s", n, last.words)
}

// ownFault reports whether another worker may well load what this one could not: err says nothing about the module or its
// guest.
func ownFault(err error) bool {
	switch faas.CodeOf(err) {
	case faas.InvalidModule, faas.NotFound, faas.GuestFailed, faas.GuestTrapped, faas.OutOfMemory:
		return false
	}
	return true
}

// notLoaded is the answer to a call whose module could not be had. A fault of the worker's own is a refusal: the call did not
// start, and its holder places it elsewhere.
func (w *Worker) notLoaded(j *job, err error) *faas.Error {
	if j.ctx.Err() != nil || !ownFault(err) {
		return withCause(j.ctx, err)
	}
	return faas.Errorf(faas.NoCapacity, "worker %s can't load the module of %s: %s", w.id, j.call.Name, pathless(err))
}

// slashed finds what may be a path in a text.
var slashed = regexp.MustCompile("[^\\s\"'`():;,=]*/[^\\s\"'`():;,=]*")

// pathless returns err's text without the paths of this machine, on one line.
func pathless(err error) string {
	text := err.Error()
	var e *faas.Error
	if errors.As(err, &e) {
		text = e.Message
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		text = strings.ReplaceAll(text, file.Path, "…")
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		text = strings.NewReplacer(link.Old, "…", link.New, "…").Replace(text)
	}
	text = slashed.ReplaceAllStringFunc(text, func(s string) string {
		if s == "input/output" { // of "input/output error"
			return s
		}
		return "…"
	})
	return strings.ReplaceAll(text, "\n", "; ")
}
