package hostapi

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
)

// Names of sysconf, as in Faasm's C library, which is musl.
const (
	scClkTck       = 2
	scOpenMax      = 4
	scPageSize     = 30
	scProcessorsIn = 83 // configured
	scProcessorsOn = 84 // online
)

const (
	hostName  = "faasm"
	csPath    = 0 // the one name of confstr that has a value
	pathValue = "/bin:/usr/bin"

	utsFields = 6
	utsLen    = 65 // of a field of struct utsname, with its NUL
	rlimNone  = 1<<64 - 1
	rlimFiles = 7 // RLIMIT_NOFILE
)

// faasmSystem returns the rows for what a guest may ask of the system.
func faasmSystem() []Row {
	return []Row{
		{
			Module: env, Name: "__faasm_conf_flag", Group: groupSystem, Params: words("key"), Results: word, Support: Full,
			Doc: "Return 1 for the C string `ALWAYS_ON`, 0 for any other: this host has none of Faasm's flags.", Func: confFlag,
		},
		{
			Module: env, Name: "sysconf", Group: groupSystem, Params: words("name"), Results: word, Support: Partial,
			Limitation: "knows _SC_CLK_TCK, _SC_OPEN_MAX, _SC_PAGESIZE and the number of processors, 1; -1 for the others",
			Doc:        "Return a limit of the system.", Func: sysconf,
		},
		{
			Module: env, Name: "confstr", Group: groupSystem, Params: words("name", "buf", "len"), Results: word, Support: Partial,
			Limitation: "knows _CS_PATH; 0 for the others",
			Doc:        "Copy a text of the system to `buf`, cut to `len` bytes with its NUL, and return the size of the whole.", Func: confstr,
		},
		{
			Module: env, Name: "uname", Group: groupSystem, Params: words("buf"), Results: word, Support: Full,
			Doc: "Write six texts of 65 bytes, what Faasm says of itself: Linux, faasm, 1.0.0, Faasm 123, x86 and no domain.", Func: uname,
		},
		{
			Module: env, Name: "gethostname", Group: groupSystem, Params: words("buf", "len"), Results: word, Support: Full,
			Doc: "Write `faasm` to `buf`; -1 when it does not fit.", Func: gethostname,
		},
		{
			Module: env, Name: "getrlimit", Group: groupSystem, Params: words("resource", "rlim"), Results: word, Support: Partial,
			Limitation: "RLIMIT_NOFILE is the number of descriptors, everything else infinite; the function's own limits are not told",
			Doc:        "Write a soft and a hard limit, 8 bytes each.", Func: getrlimit,
		},
		{
			Module: env, Name: "getpwuid", Group: groupSystem, Params: words("uid"), Results: word, Support: Partial,
			Limitation: "the module has to export malloc; -Wl,--export=malloc",
			Doc:        "Return a struct passwd of the one user, faasm, whatever `uid` is.", Func: getpw("getpwuid"),
		},
		{
			Module: env, Name: "getpwnam", Group: groupSystem, Params: words("name"), Results: word, Support: Partial,
			Limitation: "the module has to export malloc; -Wl,--export=malloc",
			Doc:        "Return a struct passwd of the one user, faasm, whatever `name` is.", Func: getpw("getpwnam"),
		},
	}
}

// cstring returns the bytes at ptr up to a NUL, which must come within max bytes.
func cstring(mem guest.Memory, name string, ptr uint32, most int) (string, error) {
	b := mem[min(uint64(ptr), uint64(len(mem))):]
	for i := range min(len(b), most) {
		if b[i] == 0 {
			return string(b[:i]), nil
		}
	}
	if len(b) >= most {
		return "", fmt.Errorf("%s: the text at %#x has more than %d bytes, or no NUL", name, ptr, most)
	}
	return "", &PointerError{name, ptr, uint32(len(b)) + 1, uint64(len(mem))}
}

// maxFlag is the length of a flag's name, in bytes.
const maxFlag = 256

func confFlag(_ *Call, mem guest.Memory, a Args) (uint64, error) {
	key, err := cstring(mem, "__faasm_conf_flag", a.U32(0), maxFlag)
	if err != nil {
		return 0, err
	}
	if key == "ALWAYS_ON" {
		return 1, nil
	}
	return 0, nil
}

func sysconf(_ *Call, _ guest.Memory, a Args) (uint64, error) {
	switch a.U32(0) {
	case scClkTck:
		return 100, nil
	case scOpenMax:
		return faas.OpenFiles, nil
	case scPageSize:
		return pageSize, nil
	case scProcessorsIn, scProcessorsOn:
		return 1, nil
	}
	return failed, nil
}

func confstr(_ *Call, mem guest.Memory, a Args) (uint64, error) {
	if a.U32(0) != csPath {
		return 0, nil
	}
	text := append([]byte(pathValue), 0)
	if n := min(a.U32(2), uint32(len(text))); n > 0 {
		b, ok := mem.Bytes(a.U32(1), n)
		if !ok {
			return 0, &PointerError{"confstr", a.U32(1), n, uint64(len(mem))}
		}
		copy(b, text)
		b[n-1] = 0
	}
	return uint64(len(text)), nil
}

func uname(_ *Call, mem guest.Memory, a Args) (uint64, error) {
	b, ok := mem.Bytes(a.U32(0), utsFields*utsLen)
	if !ok {
		return 0, &PointerError{"uname", a.U32(0), utsFields * utsLen, uint64(len(mem))}
	}
	clear(b)
	for i, s := range []string{"Linux", hostName, "1.0.0", "Faasm 123", "x86"} {
		copy(b[i*utsLen:], s)
	}
	return 0, nil
}

func gethostname(_ *Call, mem guest.Memory, a Args) (uint64, error) {
	const n = len(hostName) + 1
	if a.U32(1) < uint32(n) {
		return failed, nil
	}
	b, ok := mem.Bytes(a.U32(0), uint32(n))
	if !ok {
		return 0, &PointerError{"gethostname", a.U32(0), uint32(n), uint64(len(mem))}
	}
	b[copy(b, hostName)] = 0
	return 0, nil
}

func getrlimit(_ *Call, mem guest.Memory, a Args) (uint64, error) {
	b, ok := mem.Bytes(a.U32(1), 16)
	if !ok {
		return 0, &PointerError{"getrlimit", a.U32(1), 16, uint64(len(mem))}
	}
	limit := uint64(rlimNone)
	if a.U32(0) == rlimFiles {
		limit = faas.OpenFiles
	}
	binary.LittleEndian.PutUint64(b, limit)
	binary.LittleEndian.PutUint64(b[8:], limit)
	return 0, nil
}

// passwd is struct passwd of musl for wasm32, with the texts that its pointers lead to behind it: name, password, uid, gid,
// comment, home and shell.
func passwd(at uint32) []byte {
	const size = 28
	b := make([]byte, size)
	text := func(off int, s string) {
		binary.LittleEndian.PutUint32(b[off:], at+uint32(len(b)))
		b = append(append(b, s...), 0)
	}
	text(0, "faasm")
	text(4, "x")
	binary.LittleEndian.PutUint32(b[8:], guestID)
	binary.LittleEndian.PutUint32(b[12:], guestID)
	text(16, "faasm")
	text(20, "/home/faasm/")
	text(24, "/bin/sh")
	return b
}

// getpw returns getpwuid or getpwnam: a struct in memory that the guest's malloc gave once for the call, as the one of a C
// library is one for all callers.
func getpw(name string) Func {
	return func(c *Call, _ guest.Memory, _ Args) (uint64, error) {
		if c.passwd != 0 {
			return uint64(c.passwd), nil
		}
		n := uint32(len(passwd(0)))
		at, mem, err := c.malloc(name, n)
		if err != nil || at == 0 {
			return 0, err
		}
		if !mem.Write(at, passwd(at)) {
			return 0, &PointerError{name, at, n, uint64(len(mem))}
		}
		c.passwd = at
		return uint64(at), nil
	}
}

// malloc returns n bytes of the guest's own heap, 0 when it has none left, and the memory with them in it. An error ends the
// guest.
func (c *Call) malloc(name string, n uint32) (at uint32, mem guest.Memory, err error) {
	if c.Guest == nil {
		return 0, nil, nil
	}
	if at, mem, err = c.Guest.Malloc(n); err != nil {
		if strings.HasPrefix(err.Error(), name+": ") { // its malloc called this too
			return 0, nil, err
		}
		return 0, nil, fmt.Errorf("%s: %w", name, err)
	}
	return at, mem, nil
}
