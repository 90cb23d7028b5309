//go:build linux && cgo

package faaslet

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

const (
	// maxImage is the largest linear memory that an image is taken of: taking it reads all of it, on the path of a call.
	maxImage = 64 * faas.MiB
	// maxLooked is the same where nothing can be captured elsewhere, as the initialisers read shared files.
	maxLooked = 256 * faas.MiB
	// maxDirty is how many pages of 4 KiB a reset puts back. Every page that was ever written since the Faaslet was restored
	// is put back each time: beyond this, a new one that shares the image's pages again is the better start for the next
	// call, which may write little.
	maxDirty = 2048
)

// Image is what Faaslets of one Module with equal Setups begin from and are reset to: the linear memory, copied on write,
// and every mutable global, as the initialisers left them. Fill fills it with what was captured elsewhere, else the first
// Faaslet that is made with it does. It stays empty for ever, and Faaslets are built from the module each time, when
//
//   - the module changes what can't be put back, as wasmbin.Module.Unresettable says;
//   - the initialiser was given random bytes or read a clock, and the module does not renew itself, as renew.go says:
//     Faaslets with one image would share them, and a seed that was made of them;
//   - the initialiser loaded a library of which the same can't be said, or linking one failed in the middle;
//   - the kernel does not tell which pages were written;
//   - its memory is larger than 64 MiB, 256 MiB when the initialisers read shared files, and nothing was captured elsewhere.
//
// It is filled later when the engine's images take 1 GiB or a quarter of the process's descriptors already, those of its owner
// have their share of either, or the engine's account has no room.
//
// It is safe for concurrent use.
type Image struct {
	module *Module
	owner  string       // whose share of what images may take it is of
	refs   atomic.Int64 // the owner's and one for each Faaslet
	closed atomic.Bool
	taken  atomic.Pointer[capi.Image]
	looked atomic.Bool  // what it has depends on the files of the Setup
	linked *linkedImage // what taken has of libraries, nil for none; set before taken
	never  atomic.Bool  // it will not be filled, or what it has is not to be used

	mu sync.Mutex // held while it is filled

	source *source // nil when there is none
}

// NewImage returns an empty image for Faaslets of m, of owner's share: a tenant. The caller closes it.
func (m *Module) NewImage(owner string) *Image {
	i := &Image{module: m, owner: owner}
	i.never.Store(!m.resets)
	i.refs.Store(1)
	return i
}

// Looked reports whether what i has depends on the shared files of the Setup that it was taken with.
func (i *Image) Looked() bool { return i.looked.Load() }

// Taken reports whether Faaslets are restored from i.
func (i *Image) Taken() bool { return i.get() != nil }

// Close gives i up. Faaslets that were made with it keep what they need of it. It is idempotent.
func (i *Image) Close() {
	if i != nil && i.closed.CompareAndSwap(false, true) {
		i.release()
	}
}

// acquire keeps i for a Faaslet, or reports that it is closed.
func (i *Image) acquire() bool {
	for {
		n := i.refs.Load()
		if n == 0 || i.closed.Load() {
			return false
		}
		if i.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (i *Image) release() {
	if i == nil || i.refs.Add(-1) != 0 {
		return
	}
	if img := i.taken.Swap(nil); img != nil {
		memory, kept := img.Size()
		i.module.shells.drop(img)
		img.Close()
		i.linked.release()
		i.module.engine.images.drop(i.owner, memory, kept)
	}
}

// get returns what was taken, nil for none. i may be nil.
func (i *Image) get() *capi.Image {
	if i == nil || i.never.Load() {
		return nil
	}
	return i.taken.Load()
}

// take fills i from f, whose initialiser has just run, unless it is filled. It returns what i has then, nil for nothing.
// i may be nil. Preconditions: f.mu is held, initialized did not give i up, and f holds i.
func (i *Image) take(f *Faaslet) *capi.Image {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.never.Load() {
		return nil
	}
	if img := i.taken.Load(); img != nil {
		return img
	}
	if i.module.engine.pages.get() == nil {
		i.never.Store(true)
		return nil
	}
	if !f.linked.imageable() {
		i.never.Store(true)
		return nil
	}
	limit := maxImage
	if f.looked {
		limit = maxLooked
	}
	if len(f.instance.Memory()) > int(limit) {
		if i.source == nil { // else that may fill it yet
			i.never.Store(true)
		}
		return nil
	}
	images := &i.module.engine.images
	most := int64(len(f.instance.Memory()))
	if !images.add(i.owner, most, most) { // there may be room for it later
		return nil
	}
	img, err := f.instance.Image(i.module.pre)
	if err != nil { // everything works without, only slower
		i.never.Store(true)
		images.drop(i.owner, most, most)
		i.module.engine.log.Warn("no image taken", telemetry.KeyFunc, f.setup.Func.String(), telemetry.KeyErr, err)
		return nil
	}
	_, kept := img.Size()
	images.fit(i.owner, most, most, kept)
	i.linked = f.describe().acquire()
	i.taken.Store(img)
	return img
}

// restore makes f what image has; with nil, f stays as it is and can't be reset. Preconditions: f.mu is held.
func (f *Faaslet) restore(image *capi.Image) *faas.Error {
	if image == nil {
		return nil
	}
	err := capi.ErrShape
	if f.describe().equal(f.setup.Image.linked) {
		err = f.instance.Restore(image)
	}
	switch {
	case err == nil:
		f.image = image
		if f.linked != nil {
			f.linked.changed = false
		}
	case errors.Is(err, capi.ErrShape) && f.birth.Kind == faas.Cold: // initialised at the same time as the one the image is of, otherwise
	case errors.Is(err, syscall.ENOMEM):
		return faas.Errorf(faas.NoCapacity, "no memory for a Faaslet: %v", err)
	default:
		return faas.Errorf(faas.Internal, "%v", err)
	}
	return nil
}

// Reset makes f ready for another call after Run: memory and globals are again what they were before the first one, and
// nothing of the calls so far is left. A module that renews itself does so then, for at most 20 ms. It reports false when
// that can't be done, or costs more than a new Faaslet: there is no image, memory grew, more than 8 MiB of it was written,
// the call ended in an internal error, or the guest did not renew itself. f is to be closed then. LastReset has more.
func (f *Faaslet) Reset() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	began := time.Now()
	why, err := f.putBack()
	f.reset = ResetResult{Took: time.Since(began), Why: why, Err: err}
	return why == ""
}

// putBack is Reset, and returns why it can't be done. Preconditions: f.mu is held.
func (f *Faaslet) putBack() (NotReset, *faas.Error) {
	switch {
	case f.image == nil:
		return NoImage, nil
	case f.state == spent && f.linked.differs():
		return Libraries, nil
	case f.state != spent, !f.restorable():
		return Unsound, nil
	}
	if pages, ok := f.instance.Reset(f.image, f.module.engine.pages.get(), f.module.engine.maxDirty); !ok {
		return notReset(pages), nil
	}
	f.sound, f.refused, f.kept = false, f.instance.Refused(), false
	if err := f.renewWithin(renewTime); err != nil {
		return NotRenewed, err
	}
	f.step(ready)
	return "", nil
}

// Global is a mutable global of a module and its value.
type Global = capi.Global

// stateOf returns the mutable globals of a compiled module, all of which the pre-pass exported under names of its own, in the
// order of those; and why they and the memory are not all that a call can change, if they are not.
func stateOf(wm *wasmtime.Module) (globals []Global, why []string) {
	memory := false
	for _, x := range wm.Exports() {
		if word, found := strings.CutPrefix(x.Name(), wasmbin.NoReset); found {
			why = append(why, word)
			continue
		}
		memory = memory || x.Type().MemoryType() != nil
		gt := x.Type().GlobalType()
		if gt == nil || !gt.Mutable() || x.Name() == wasmbin.Kill || x.Name() == wasmbin.LibraryStack || !strings.HasPrefix(x.Name(), wasmbin.Reserved) {
			continue
		}
		globals = append(globals, Global{Name: x.Name(), Type: 0x7f - byte(gt.Content().Kind())})
	}
	if !memory {
		why = append(why, noMemory)
	}
	slices.SortFunc(globals, func(a, b Global) int { return strings.Compare(a.Name, b.Name) })
	return globals, why
}

// noMemory is why a module without a memory has no image: there is nothing to map, and it is built as quickly.
const noMemory = "memory"

func names(globals []Global) []string {
	out := make([]string, len(globals))
	for i, g := range globals {
		out[i] = g.Name
	}
	return out
}

// pages opens an engine's capi.Pages when it is first asked for.
type pages struct {
	slow bool

	once sync.Once
	p    *capi.Pages
}

// get returns nil where the kernel has none.
func (p *pages) get() *capi.Pages {
	p.once.Do(func() {
		if found, err := capi.OpenPages(p.slow); err == nil {
			p.p = found
		}
	})
	return p.p
}

// close frees p. Preconditions: nobody uses the engine.
func (p *pages) close() {
	p.once.Do(func() {})
	if p.p != nil {
		p.p.Close()
	}
}
