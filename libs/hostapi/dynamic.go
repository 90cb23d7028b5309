package hostapi

import (
	"errors"
	"fmt"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// What a guest may load at run time.
const (
	MaxLibraries = faas.MaxLibraries
	MaxLibrary   = faas.MaxLibrary
)

const (
	maxLibraryPath = 4096 // bytes
	maxSymbol      = 4096 // bytes: C++ has long names
	dlerrorSize    = 1024 // bytes of the text with its NUL; the rest is cut
)

// Library returns the library at a path of the call's files.
func (c *Call) Library(path string) ([]byte, error) {
	b, errno := c.WASI.ReadFile(path, MaxLibrary)
	switch errno {
	case wasi.ESUCCESS:
		return b, nil
	case wasi.ENOENT:
		return nil, errors.New("no such file")
	case wasi.EDQUOT:
		return nil, errors.New("the worker has no memory for it")
	case wasi.EFBIG:
		return nil, fmt.Errorf("it has more than %s", faas.Size(MaxLibrary))
	}
	return nil, errors.New(errno.String())
}

// faasmDynamic returns the rows for libraries that are loaded at run time.
func faasmDynamic() []Row {
	return []Row{
		{
			Module: env, Name: "dlopen", Group: groupDynamic, Params: words("path", "flags"), Results: word, Support: Partial,
			Limitation: "flags are not looked at: every symbol is bound at once, and seen by libraries that come later",
			Doc:        "Load the library at `path`, a C string, with those it needs, and return its handle, the same one for the same path; 999 for the program itself when `path` is 0 or empty; 0 when it can't be loaded.",
			Func:       dlopen,
		},
		{
			Module: env, Name: "dlsym", Group: groupDynamic, Params: words("handle", "name"), Results: word, Support: Full,
			Doc:  "Return a function of the library, or of one that it needs, as a function pointer, or the address of a variable; 0 when there is none. With handle 999 or 0 search the program, then all libraries. Faasm traps where there is none.",
			Func: dlsym,
		},
		{
			Module: env, Name: "dlclose", Group: groupDynamic, Params: words("handle"), Results: word, Support: Partial,
			Limitation: "a library stays until the Faaslet ends, as POSIX allows, and its destructors do not run",
			Doc:        "Return 0, or -1 when there is no such handle.",
			Func:       dlclose,
		},
		{
			Module: env, Name: "dlerror", Group: groupDynamic, Results: word, Support: Partial,
			Limitation: "0 also in a module that does not export malloc: the text is in memory of that; it is cut at 1023 bytes",
			Doc:        "Return what went wrong last in words, a C string that the next call of it overwrites, and forget it; 0 when nothing did.",
			Func:       dlerror,
		},
	}
}

// dlopen loads a library into the guest: a WebAssembly module that clang has linked with -shared. Its memory, function table and
// stack pointer are the program's.
//
// Parameters
//   - path: a C string of at most 4095 bytes; 0 or an empty one is the program itself. A library that is needed is looked for
//     beside the one that needs it
//   - flags: RTLD_LAZY and others, without effect
//
// The result is a handle, or 0, and dlerror says why: there is no such file, it is no library, a symbol is missing, there
// is no room.
//
// Errors
//   - PointerError: path has no NUL within the memory
//   - what ended the guest, when code of a library did not return: its relocations or constructors
//   - wasi.ErrInterrupted: the call ended meanwhile
//
// It is dlopen in POSIX. See https://man7.org/linux/man-pages/man3/dlopen.3.html
func dlopen(c *Call, mem guest.Memory, a Args) (uint64, error) {
	path := ""
	if a.U32(0) != 0 {
		var err error
		if path, err = cstring(mem, "dlopen", a.U32(0), maxLibraryPath); err != nil {
			return 0, err
		}
	}
	if c.Guest == nil {
		c.dlerror = "there is no engine"
		return 0, nil
	}
	handle, why, err := c.Guest.Dlopen(path)
	c.dlfailed(why)
	return uint64(handle), err
}

// dlsym looks a symbol up.
//
// Parameters
//   - handle: of dlopen; 0 is RTLD_DEFAULT and means the program, then all libraries
//   - name: a C string of at most 4095 bytes
//
// The result is the index of a function in the table, which is what C has in a function pointer, or the address of a variable,
// or 0, and dlerror says why.
//
// Errors
//   - PointerError: name has no NUL within the memory
//
// It is dlsym in POSIX. See https://man7.org/linux/man-pages/man3/dlsym.3.html
func dlsym(c *Call, mem guest.Memory, a Args) (uint64, error) {
	name, err := cstring(mem, "dlsym", a.U32(1), maxSymbol)
	if err != nil {
		return 0, err
	}
	if c.Guest == nil {
		c.dlerror = "there is no engine"
		return 0, nil
	}
	value, why := c.Guest.Dlsym(a.U32(0), name)
	c.dlfailed(why)
	return uint64(value), nil
}

// dlclose says that the guest needs a library no more, which changes nothing.
//
// It is dlclose in POSIX. See https://man7.org/linux/man-pages/man3/dlopen.3.html
func dlclose(c *Call, _ guest.Memory, a Args) (uint64, error) {
	if c.Guest == nil || !c.Guest.Dlclose(a.U32(0)) {
		c.dlerror = "dlclose: no such handle"
		return failed, nil
	}
	return 0, nil
}

// dlerror tells the last failure of the others, once. Its text is in memory of the guest's malloc, 1024 bytes for a call.
//
// Errors
//   - what ended the guest, when its malloc did not return
//
// It is dlerror in POSIX. See https://man7.org/linux/man-pages/man3/dlerror.3.html
func dlerror(c *Call, mem guest.Memory, _ Args) (uint64, error) {
	text := c.dlerror
	c.dlerror = ""
	if text == "" || c.Guest == nil || !c.Guest.Mallocs() {
		return 0, nil
	}
	if c.dltext == 0 {
		at, grown, err := c.Guest.Malloc(dlerrorSize)
		if err != nil || at == 0 {
			return 0, err
		}
		c.dltext, mem = at, grown
	}
	b := append([]byte(text[:min(len(text), dlerrorSize-1)]), 0)
	if !mem.Write(c.dltext, b) {
		return 0, &PointerError{"dlerror", c.dltext, uint32(len(b)), uint64(len(mem))}
	}
	return uint64(c.dltext), nil
}

// dlfailed keeps for dlerror why a function failed, "" for not at all.
func (c *Call) dlfailed(why string) {
	if why != "" {
		c.dlerror = why
	}
}

// Pages returns n bytes of zeros that nobody uses, a multiple of a page, as mmap hands them out to the guest, and the memory
// with them; ok is false when there is no room. The error is wasi.ErrInterrupted. It is for engines, during a host function.
func (c *Call) Pages(mem guest.Memory, n uint32) (at uint32, _ guest.Memory, ok bool, err error) {
	start, mem, ok, err := c.take(mem, roundUp(uint64(n)))
	return uint32(start), mem, ok, err
}

// Zero clears a part of the guest's memory. The error is wasi.ErrInterrupted when the call ended meanwhile.
func (c *Call) Zero(part []byte) error {
	if !c.WASI.Zero(part) {
		return wasi.ErrInterrupted
	}
	return nil
}
