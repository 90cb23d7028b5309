package hostapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// maxParams is the most parameters that a row has (path_open).
const maxParams = 9

// span is a range of guest memory, in bytes.
type span struct{ off, n uint64 }

// results returns, for the rows that write to memory, where they may.
var results = map[string]func(mem guest.Memory, a Args) []span{
	"__faasm_read_input": func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), min(u(a, 1), 64)}} },
	"args_get":           func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), 8}, {u(a, 1), 7}} },
	"args_sizes_get":     two(4),
	"environ_get":        func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), 4}, {u(a, 1), 4}} },
	"environ_sizes_get":  two(4),
	"clock_res_get":      func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), 8}} },
	"clock_time_get":     func(_ guest.Memory, a Args) []span { return []span{{u(a, 2), 8}} },
	"random_get":         func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), u(a, 1)}} },
	"fd_write":           at(3, 4),
	"fd_fdstat_get":      at(1, 24),
	"fd_filestat_get":    at(1, 64),
	"fd_seek":            at(3, 8),
	"fd_tell":            at(1, 8),
	"fd_pwrite":          at(4, 4),
	"fd_prestat_get":     at(1, 8),
	"path_filestat_get":  at(4, 64),
	"path_open":          at(8, 4),
	// Only so many bytes as the name has, as much of the target, entries to the end of the buffer.
	"fd_prestat_dir_name": func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), min(u(a, 2), 1)}} },
	"path_readlink":       func(_ guest.Memory, a Args) []span { return []span{{u(a, 3), min(u(a, 4), 1)}, {u(a, 5), 4}} },
	"fd_readdir":          func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), u(a, 2)}, {u(a, 4), 4}} },
	"__wasi_fd_dup":       at(1, 4),
	"bzero":               sized(0, 1),
	"explicit_bzero":      sized(0, 1),
	"uname":               func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), utsFields * utsLen}} },
	"gethostname":         func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), 6}} },
	"confstr":             func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), min(u(a, 2), 14)}} },
	"getrlimit":           func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), 16}} },
	"poll_oneoff":         func(_ guest.Memory, a Args) []span { return []span{{u(a, 1), u(a, 2) * 32}, {u(a, 3), 4}} },
}

// u returns parameter i, an i32, as a 64-bit number.
func u(a Args, i int) uint64 { return uint64(a.U32(i)) }

// sized returns the result of a row that writes as many bytes as one parameter says to where the other does.
func sized(ptr, n int) func(guest.Memory, Args) []span {
	return func(_ guest.Memory, a Args) []span { return []span{{u(a, ptr), u(a, n)}} }
}

// two returns the results of a row that writes n bytes at each of its two parameters.
func two(n uint64) func(guest.Memory, Args) []span {
	return func(_ guest.Memory, a Args) []span { return []span{{u(a, 0), n}, {u(a, 1), n}} }
}

// at returns the result of a row that writes n bytes at its parameter i.
func at(i int, n uint64) func(guest.Memory, Args) []span {
	return func(_ guest.Memory, a Args) []span { return []span{{u(a, i), n}} }
}

// wildFiles are shared files with the names that wild pointers find in a memory of '?', and others.
var wildFiles = map[string]string{"?": "a file", "???????/x": "in a directory", "file": strings.Repeat("0123456789", 6)}

// wildCall returns a call with files: 3 is the root, 4 a file, 5 a directory, and 64 '?' are a symbolic link to "?".
func wildCall(t *testing.T, cfg CallConfig) (*Call, *vfstest.Tree) {
	t.Helper()
	tree := vfstest.New(wildFiles)
	cfg.Shared = tree
	c := NewCall(cfg)
	mem := guest.Memory("file" + strings.Repeat("?", 64) + "\x00\x00\x00\x00")
	const all = 1<<28 - 1 // rights
	for _, errno := range []wasi.Errno{
		c.WASI.PathOpen(mem, 3, 0, 0, 4, 0, all, 0, 0, 68), c.WASI.PathOpen(mem, 3, 0, 4, 7, 0, all&^wasi.RightWrite, all, 0, 68),
		c.WASI.PathSymlink(mem, 4, 1, 3, 4, 64),
	} {
		if errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
	}
	return c, tree
}

// throw runs a row with args in a call of its own and fails when it panics, traps without need, blocks, or writes where it
// has no result.
func throw(t *testing.T, r *Row, mem guest.Memory, args []uint64) {
	t.Helper()
	for i, p := range r.Params { // an engine passes the low 32 bits of an i32; the rest is anything
		if p.Type == I32 {
			args[i] |= 0xdeadbeef << 32
		}
	}
	a := raw(args[:len(r.Params)])
	cfg := CallConfig{Input: bytes.Repeat([]byte("input"), 12), Args: []string{"main", "x"}, Env: []string{"K=V"}, MaxOutput: 64, MaxLog: 64}
	if r.Name == "poll_oneoff" { // it may wait: the call is over
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		cfg.Ctx = ctx
	}
	c, tree := wildCall(t, cfg)
	before := bytes.Clone(mem)
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s%v panics: %v", r.Name, args[:len(r.Params)], p)
		}
	}()
	_, err := r.Func(c, mem, a)
	if err != nil && !isEnd(r, err) {
		t.Fatalf("%s%v: %v", r.Name, args[:len(r.Params)], err)
	}
	if r.Name == "fd_read" || r.Name == "fd_pread" {
		checkRead(t, c, before, mem, a)
		return
	}
	checkOutside(t, r, before, mem, a)
	if out, stdout, stderr, _ := c.Finish(faas.Command, false); len(out) > 64 || len(stdout) > 128 || len(stderr) > 128 {
		t.Fatalf("%s%v: %d, %d and %d bytes pass the limits", r.Name, args[:len(r.Params)], len(out), len(stdout), len(stderr))
	}
	if n := tree.Opened.Load(); n != 0 {
		t.Fatalf("%s%v: %d shared files are still open", r.Name, args[:len(r.Params)], n)
	}
}

// isEnd reports whether err is one that r may end a guest with: what the guest asked for, the end of the call, or a pointer that
// leads nowhere in a function without an errno.
func isEnd(r *Row, err error) bool {
	var exit wasi.Exit
	var wild *PointerError
	return errors.As(err, &exit) || errors.Is(err, wasi.ErrInterrupted) || errors.Is(err, errAborted) ||
		r.Module == env && (errors.As(err, &wild) || strings.Contains(err.Error(), "or no NUL"))
}

// checkOutside fails when a byte changed outside the results of r.
func checkOutside(t *testing.T, r *Row, before, after guest.Memory, a Args) {
	t.Helper()
	if bytes.Equal(before, after) {
		return
	}
	restored := bytes.Clone(after)
	if f := results[r.Name]; f != nil {
		for _, s := range f(before, a) {
			end := min(s.off+s.n, uint64(len(before)))
			if s.off < end {
				copy(restored[s.off:end], before[s.off:end])
			}
		}
	}
	if !bytes.Equal(before, restored) {
		t.Fatalf("%s%v writes outside its result", r.Name, a)
	}
}

// checkRead fails when fd_read or fd_pread changed more bytes than stdin or the file has and its count needs.
func checkRead(t *testing.T, c *Call, before, after guest.Memory, a Args) {
	t.Helper()
	changed := 0
	for i := range before {
		if before[i] != after[i] {
			changed++
		}
	}
	if changed > len(c.Input)+4 {
		t.Fatalf("fd_read%v changed %d bytes", a, changed)
	}
}

// extremes are arguments that go wrong first: ends of memory, of signed and of unsigned numbers.
var extremes = []uint64{0, 1, 7, 64, 4095, 4096, 4097, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffff8, 0xffffffff, 1 << 32, 1 << 63, 1<<64 - 1}

// supported returns the rows that a guest can have.
func supported() Table {
	return slices.DeleteFunc(New(), func(r Row) bool { return r.Support == Unsupported })
}

// TestWildPointers throws extreme arguments at every row: all the same, each at each place, and mixtures.
func TestWildPointers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	table := supported()
	for i := range table {
		r := &table[i]
		n := len(r.Params)
		try := func(args []uint64) { throw(t, r, bytes.Repeat([]byte{'?'}, 4096), args) }
		for _, v := range extremes {
			args := make([]uint64, n)
			for j := range args {
				args[j] = v
			}
			try(args)
			for j := range n {
				for _, fd := range []uint64{1, 3, 4, 5} {
					one := []uint64{fd, 1, 1, 64, 64, 64, 64, 64, 64}[:n:n]
					one[j] = v
					try(one)
				}
			}
		}
		for range 500 {
			args := make([]uint64, n)
			for j := range args {
				args[j] = extremes[rnd.IntN(len(extremes))]
			}
			if n > 0 && rnd.IntN(2) == 0 { // what is open
				args[0] = 3 + uint64(rnd.IntN(3))
			}
			try(args)
		}
	}
}

// TestWildPointersIntoNothing does so for a module without memory.
func TestWildPointersIntoNothing(t *testing.T) {
	table := supported()
	for i := range table {
		for _, v := range extremes {
			all := make([]uint64, len(table[i].Params))
			for j := range all {
				all[j] = v
			}
			throw(t, &table[i], nil, all)
		}
	}
}

// fuzz throws what the fuzzer finds at the rows of one group: data is the arguments, 8 bytes each, then guest memory.
func fuzz(f *testing.F, rows []Row) {
	for i := range rows {
		for _, v := range []uint64{0, 8, 0xfffffff8, 1<<64 - 1} {
			var seed []byte
			for range maxParams {
				seed = binary.LittleEndian.AppendUint64(seed, v)
			}
			f.Add(uint8(i), append(seed, make([]byte, 128)...))
		}
		var seed []byte
		for j := range uint64(maxParams) {
			seed = binary.LittleEndian.AppendUint64(seed, j)
		}
		f.Add(uint8(i), append(seed, bytes.Repeat([]byte{1, 0, 0, 0}, 64)...))
		// The root, a file and a directory, with paths and buffers that are there.
		for fd := range uint64(3) {
			seed = binary.LittleEndian.AppendUint64(nil, 3+fd)
			for j := range uint64(maxParams - 1) {
				seed = binary.LittleEndian.AppendUint64(seed, []uint64{0, 1, 4, 8, 64, 128, 7, 32}[j])
			}
			f.Add(uint8(i), append(seed, []byte(strings.Repeat("?", 64)+"file/../x")...))
			f.Add(uint8(i), append(seed, make([]byte, 200)...))
		}
	}
	f.Fuzz(func(t *testing.T, row uint8, data []byte) {
		args := make([]uint64, maxParams)
		for i := range args {
			if len(data) < 8 {
				break
			}
			args[i], data = binary.LittleEndian.Uint64(data), data[8:]
		}
		throw(t, &rows[int(row)%len(rows)], bytes.Clone(data), args)
	})
}

func FuzzFaasm(f *testing.F)   { fuzz(f, append(faasmCall(), faasmMisc()...)) }
func FuzzMemory(f *testing.F)  { fuzz(f, faasmMemory()) }
func FuzzSystem(f *testing.F)  { fuzz(f, append(faasmSystem(), faasmStdio()...)) }
func FuzzProcess(f *testing.F) { fuzz(f, append(faasmProcess(), faasmSingle()...)) }
func FuzzArgs(f *testing.F)    { fuzz(f, wasiArgs()) }
func FuzzClock(f *testing.F)   { fuzz(f, wasiClock()) }
func FuzzStdio(f *testing.F)   { fuzz(f, wasiStdio()) }
func FuzzStat(f *testing.F)    { fuzz(f, wasiStat()) }
func FuzzFile(f *testing.F)    { fuzz(f, wasiFile()) }
func FuzzPath(f *testing.F)    { fuzz(f, wasiPath()) }
func FuzzPoll(f *testing.F)    { fuzz(f, wasiPoll()) }
func FuzzProc(f *testing.F)    { fuzz(f, wasiProc()) }
func FuzzSock(f *testing.F)    { fuzz(f, wasiSock()) }
