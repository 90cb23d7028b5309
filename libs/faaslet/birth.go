//go:build linux && cgo

package faaslet

import (
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
)

// Birth is how a Faaslet came to be.
type Birth struct {
	// Kind is faas.Restored when it began as an image that was there before, else faas.Cold: also the Faaslet that fills the
	// image is cold.
	Kind faas.StartKind
	// Took is how long New took, but for waiting for the source of the image: for a cold one to instantiate the module, run the
	// initialisers and take the image, if it did; for a restored one to move into a shell, or to instantiate and map the image,
	// and to have the guest renew itself.
	Took time.Duration
}

// Birth returns how f came to be. What a Reset or Keep makes of f later does not change it.
func (f *Faaslet) Birth() Birth { return f.birth }

func bornOf(image *capi.Image) faas.StartKind {
	if image == nil {
		return faas.Cold
	}
	return faas.Restored
}

// ResetResult is how a Reset went.
type ResetResult struct {
	Took time.Duration
	Why  NotReset    // "" when it was done
	Err  *faas.Error // with NotRenewed: what went wrong in the guest
}

// LastReset returns how the last Reset of f went; the zero ResetResult when there was none. Preconditions: the caller has f to itself.
func (f *Faaslet) LastReset() ResetResult { return f.reset }

// NotReset says why a Faaslet could not be reset.
type NotReset string

// The reasons.
const (
	NoImage    NotReset = "no_image"    // there is none of its function
	Unsound    NotReset = "unsound"     // the call ended in an internal error
	Grew       NotReset = "grew"        // memory is larger than the image
	TooMuch    NotReset = "too_much"    // more pages were written than are put back
	NotRenewed NotReset = "not_renewed" // shoal_restored failed, took longer than 20 ms, or said no
	Libraries  NotReset = "libraries"   // the call loaded a library, or had a function of one put into the table
	NoAnswer   NotReset = "no_answer"   // the kernel did not say what was written, or the instance is not what it should be
)

// NotResets returns every reason.
func NotResets() []NotReset {
	return []NotReset{NoImage, Unsound, Grew, TooMuch, NotRenewed, Libraries, NoAnswer}
}

// notReset returns the reason for what capi.Instance.Reset returned.
func notReset(pages int) NotReset {
	switch pages {
	case capi.ResetTooMuch:
		return TooMuch
	case capi.ResetGrew:
		return Grew
	}
	return NoAnswer
}

// Keep makes f ready for another call after Run as it is: what its calls left in memory and globals, the next one finds. It
// reports false when the guest did not return, or with another code than 0: then it may have left anything in the middle of
// its work, and f is to be closed.
func (f *Faaslet) Keep() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != spent || !f.sound || !f.returned {
		return false
	}
	f.instance.Unkill() // the call's end may have come just after the guest's
	f.refused, f.kept = f.instance.Refused(), true
	f.step(ready)
	return true
}
