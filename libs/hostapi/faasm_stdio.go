package hostapi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// maxLine is how long the text of puts can be, in bytes.
const maxLine = 1 << 20

// faasmStdio returns the rows for C's standard output and memory that Faasm has beside libc's.
func faasmStdio() []Row {
	return []Row{
		{
			Module: env, Name: "puts", Group: groupStdio, Params: words("str"), Results: word, Support: Partial,
			Limitation: "at most 1 MiB; past what libc keeps in its own buffer, not behind it",
			Doc:        "Write a C string and a newline to stdout; 0, or -1 when stdout takes no more.", Func: puts,
		},
		{
			Module: env, Name: "dup", Group: groupStdio, Params: words("fd"), Results: word, Support: Full,
			Doc: "Open another descriptor of what `fd` leads to, with the same offset; -1 when `fd` is not open or no number is free.", Func: dup,
		},
		{
			Module: env, Name: "__wasi_fd_dup", Group: groupStdio, Params: words("fd", "out"), Results: word, Support: Full,
			Doc: "Do as `dup`, write the descriptor to `out` and answer an errno of preview1.", Func: fdDup,
		},
		{
			Module: env, Name: "bzero", Group: groupStdio, Params: words("ptr", "len"), Support: Full,
			Doc: "Make `len` bytes at `ptr` zero.", Func: bzero("bzero"),
		},
		{
			Module: env, Name: "explicit_bzero", Group: groupStdio, Params: words("ptr", "len"), Support: Full,
			Doc: "Make `len` bytes at `ptr` zero.", Func: bzero("explicit_bzero"),
		},
	}
}

func puts(c *Call, mem guest.Memory, a Args) (uint64, error) {
	s, err := cstring(mem, "puts", a.U32(0), maxLine)
	if err != nil {
		return 0, err
	}
	if c.WASI.Stdout.Write(append([]byte(s), '\n')) != wasi.ESUCCESS {
		return failed, nil
	}
	return 0, nil
}

func dup(c *Call, _ guest.Memory, a Args) (uint64, error) {
	fd, errno := c.WASI.Dup(a.U32(0))
	if errno != wasi.ESUCCESS {
		return failed, nil
	}
	return uint64(fd), nil
}

func fdDup(c *Call, mem guest.Memory, a Args) (uint64, error) {
	if _, ok := mem.Bytes(a.U32(1), 4); !ok {
		return uint64(wasi.EFAULT), nil
	}
	fd, errno := c.WASI.Dup(a.U32(0))
	if errno == wasi.ESUCCESS {
		mem.PutUint32(a.U32(1), fd)
	}
	return uint64(errno), nil
}

func bzero(name string) Func {
	return func(c *Call, mem guest.Memory, a Args) (uint64, error) {
		b, ok := mem.Bytes(a.U32(0), a.U32(1))
		if !ok {
			return 0, &PointerError{name, a.U32(0), a.U32(1), uint64(len(mem))}
		}
		if !c.WASI.Zero(b) {
			return 0, wasi.ErrInterrupted
		}
		return 0, nil
	}
}
