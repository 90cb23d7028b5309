//go:build linux && cgo

package faaslet

import (
	"context"
	"io/fs"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// Captured is what the initialisers of a module have made of an instance. Its memory is the instance's own, valid until
// Close.
type Captured struct {
	Memory  []byte
	Globals []Global // all mutable ones
	// Own says that the initialisers were told the arguments or the environment: what they left is for an equal Setup only.
	Own bool

	faaslet *Faaslet
}

// Inits returns the names of the exports that initialise an instance of m, as its author knows them, in order; none when
// every instance begins as the module says.
func (m *Module) Inits() []string { return wasmbin.InitNames(m.inits) }

// Uncapturable says in words why nothing can be captured of m's instances; "" when it can.
func (m *Module) Uncapturable() string {
	var why []string
	for _, word := range m.why {
		switch word {
		case wasmbin.ResetTables:
			why = append(why, "it writes to a table")
		case wasmbin.ResetSegments:
			why = append(why, "it drops data or element segments")
		case wasmbin.ResetGlobals:
			why = append(why, "it has mutable globals that are vectors or references, or more than a thousand")
		case noMemory:
			why = append(why, "it has no memory")
		}
	}
	if m.symbols != nil { // they come from the tenant's files, which are not where it is captured
		why = append(why, "it loads libraries")
	}
	return strings.Join(why, ", and ")
}

// notShareable is why nothing was captured of an instance that was told what others must not know.
const notShareable = "its initialiser was given random bytes or read a clock, which every call would share, and it does not renew itself (export shoal_restored)"

// notItsFiles is why nothing was captured of an instance that counts on the files of its initialiser.
const (
	notItsFiles = "its initialiser left files behind, and each call has its own"
	looked      = "its initialiser looked for shared files, which workers have: each of them initialises it"
)

// unknownFiles are shared files that are not here: who looks for one is told that there is none, and that it looked is known.
type unknownFiles struct{ looked bool }

func (u *unknownFiles) Lookup(string) (vfs.Info, bool) {
	u.looked = true
	return vfs.Info{}, false
}

func (u *unknownFiles) List(path string) []vfs.Info {
	u.looked = true
	return nil
}

func (u *unknownFiles) Open(context.Context, string) (vfs.Content, error) { return nil, fs.ErrNotExist }
func (u *unknownFiles) Same(vfs.Shared) bool                              { return false }

// Prepare has the engine do what it does once for a module, at its first instance. No code of the guest runs.
// Preconditions: Uncapturable says nothing.
func (m *Module) Prepare() *faas.Error {
	in, err := capi.NewInstance(m.engine.engine, nil, capi.Limits{Memory: int64(faas.MaxMemory), TableElements: faas.MaxTableElements, Tables: faas.MaxTables})
	if err != nil {
		return faas.Errorf(faas.NoCapacity, "%v", err)
	}
	defer in.Close()
	if fail := in.Start(m.pre); fail != nil {
		return faas.Errorf(faas.Internal, "%s", fail.Message)
	}
	return nil
}

// wasRefused is why nothing was captured of an instance that was refused memory: with a higher limit another would not be.
const wasRefused = "its initialiser was refused memory, and went on without"

// Capture initialises an instance as New does, without shared files, and returns what became of it, which the caller closes.
// It returns nothing and no error, but why, when others must not begin from that, or when shared files were looked for, even if
// the initialiser failed then. Preconditions: Uncapturable says nothing.
func (m *Module) Capture(ctx context.Context, s Setup) (_ *Captured, why string, _ *faas.Error) {
	files := &unknownFiles{}
	s.Image, s.Shared = nil, files
	f, err := m.New(ctx, s)
	switch {
	case err != nil && files.looked && ctx.Err() == nil:
		return nil, looked, nil
	case err != nil:
		return nil, "", err
	}
	c, why, err := f.captured()
	if c == nil {
		f.Close()
	}
	return c, why, err
}

func (f *Faaslet) captured() (_ *Captured, why string, _ *faas.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.looked:
		return nil, looked, nil
	case f.left:
		return nil, notItsFiles, nil
	case !f.shareable:
		return nil, notShareable, nil
	case f.instance.Refused() != 0 || f.host.refused:
		return nil, wasRefused, nil
	}
	globals, err := f.instance.Globals(f.module.pre)
	if err != nil {
		return nil, "", faas.Errorf(faas.Internal, "%v", err)
	}
	return &Captured{Memory: f.instance.Memory(), Globals: globals, Own: f.own, faaslet: f}, "", nil
}

// Close frees c.
func (c *Captured) Close() { c.faaslet.Close() }
