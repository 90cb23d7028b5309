package hostapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// call runs a row of the table.
func call(t testing.TB, c *Call, mem guest.Memory, name string, args ...uint64) (uint64, error) {
	t.Helper()
	for _, r := range New() {
		if r.Name == name {
			return r.Func(c, mem, raw(args))
		}
	}
	t.Fatalf("no row %s", name)
	return 0, nil
}

// raw returns args as an engine passes them.
func raw(args []uint64) Args {
	a := make(Args, len(args))
	for i, v := range args {
		a[i][0] = v
	}
	return a
}

// must is call where no trap is expected.
func must(t testing.TB, c *Call, mem guest.Memory, name string, args ...uint64) uint64 {
	t.Helper()
	v, err := call(t, c, mem, name, args...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// printTo writes text to a descriptor, as a guest does, and returns the errno.
func printTo(t testing.TB, c *Call, fd uint64, text string) wasi.Errno {
	t.Helper()
	mem := make(guest.Memory, 16+len(text))
	mem.PutUint32(0, 16)
	mem.PutUint32(4, uint32(len(text)))
	copy(mem[16:], text)
	return wasi.Errno(must(t, c, mem, "fd_write", fd, 0, 1, 8))
}

func TestReadInput(t *testing.T) {
	for _, c := range []struct {
		name     string
		input    string
		buf, len uint64
		result   uint64
		trap     bool
		mem      string
	}{
		{"size", "hello", 0xffffffff, 0, 5, false, "??????????"},
		{"size of nothing", "", 0, 0, 0, false, "??????????"},
		{"larger buffer", "hello", 1, 8, 5, false, "?hello????"},
		{"exact", "hello", 1, 5, 5, false, "?hello????"},
		{"part", "hello", 1, 2, 2, false, "?he???????"},
		{"NUL", "a\x00b", 0, 3, 3, false, "a\x00b???????"},
		{"up to the end", "hello", 5, 5, 5, false, "?????hello"},
		{"length near 2³², input fits", "hello", 5, 0xffffffff, 5, false, "?????hello"},
		{"one out", "hello", 6, 5, 0, true, "??????????"},
		{"wild", "hello", 0xffffffff, 0xffffffff, 0, true, "??????????"},
		{"nothing, in bounds", "", 10, 4, 0, false, "??????????"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := guest.Memory("??????????")
			got, err := call(t, NewCall(CallConfig{Input: []byte(c.input)}), mem, "__faasm_read_input", c.buf, c.len)
			var wild *PointerError
			if got != c.result || errors.As(err, &wild) != c.trap || string(mem) != c.mem {
				t.Errorf("%d, %v, memory %q; want %d, trap %v, %q", got, err, mem, c.result, c.trap, c.mem)
			}
		})
	}
}

func TestReadInputLeavesStdin(t *testing.T) {
	c := NewCall(CallConfig{Input: []byte("hello")})
	mem := make(guest.Memory, 32)
	must(t, c, mem, "__faasm_read_input", 0, 5)
	mem.PutUint32(8, 20)
	mem.PutUint32(12, 9)
	if errno := must(t, c, mem, "fd_read", 0, 8, 1, 16); errno != 0 || string(mem[20:25]) != "hello" {
		t.Errorf("errno %d, read %q after __faasm_read_input", errno, mem[20:25])
	}
}

func TestWriteOutputTraps(t *testing.T) {
	mem := guest.Memory("0123456789")
	c := NewCall(CallConfig{})
	must(t, c, mem, "__faasm_write_output", 0, 3)
	for _, args := range [][]uint64{{8, 3}, {0, 11}, {0xffffffff, 1}, {1, 0xffffffff}, {0xffffffff, 0xffffffff}} {
		_, err := call(t, c, mem, "__faasm_write_output", args...)
		if err == nil || !strings.Contains(err.Error(), "outside the guest's memory of 10 bytes") {
			t.Errorf("write_output%v: %v, want a trap", args, err)
		}
	}
	if out, _, _, err := c.Finish(faas.Reactor, false); string(out) != "012" || err != nil {
		t.Errorf("output %q, %v; want the one before", out, err)
	}
}

// What a command had to say on stdout before it failed is log: there is no output.
func TestFinishOfAFailure(t *testing.T) {
	c := NewCall(CallConfig{Kind: faas.Command})
	printTo(t, c, 1, "so far so good")
	out, stdout, _, err := c.Finish(faas.Command, true)
	if len(out) != 0 || string(stdout) != "so far so good" || err != nil {
		t.Errorf("output %q, stdout %q, error %v", out, stdout, err)
	}
}

func TestFinish(t *testing.T) {
	long := strings.Repeat("x", 12)
	type writes func(t *testing.T, c *Call)
	output := func(t *testing.T, c *Call, text string) {
		must(t, c, guest.Memory(text), "__faasm_write_output", 0, uint64(len(text)))
	}
	for _, c := range []struct {
		name                   string
		kind                   faas.Kind
		do                     writes
		output, stdout, stderr string
		tooLarge               bool
	}{
		{"command, stdout", faas.Command, func(t *testing.T, c *Call) { printTo(t, c, 1, "out"); printTo(t, c, 2, "err") }, "out", "", "err", false},
		{"command, silent", faas.Command, func(*testing.T, *Call) {}, "", "", "", false},
		{"command, write_output last", faas.Command, func(t *testing.T, c *Call) { printTo(t, c, 1, "log"); output(t, c, "out") }, "out", "log", "", false},
		{"command, write_output first", faas.Command, func(t *testing.T, c *Call) { output(t, c, "out"); printTo(t, c, 1, "log") }, "out", "log", "", false},
		{"command, write_output of nothing", faas.Command, func(t *testing.T, c *Call) { printTo(t, c, 1, "log"); output(t, c, "") }, "", "log", "", false},
		{"reactor, stdout", faas.Reactor, func(t *testing.T, c *Call) { printTo(t, c, 1, "log") }, "", "log", "", false},
		{"reactor, output", faas.Reactor, func(t *testing.T, c *Call) { output(t, c, "one"); output(t, c, "a\x00b") }, "a\x00b", "", "", false},
		{"reactor, long log", faas.Reactor, func(t *testing.T, c *Call) { printTo(t, c, 1, long[:7]); printTo(t, c, 2, long) }, "", "xxxx\n… 3 bytes dropped\n", "xxxx\n… 8 bytes dropped\n", false},
		{"command, long stdout", faas.Command, func(t *testing.T, c *Call) { printTo(t, c, 1, "12345678"); printTo(t, c, 1, "9") }, "", "1234\n… 4 bytes dropped\n", "", true},
		{"command, long stdout, then write_output", faas.Command, func(t *testing.T, c *Call) {
			printTo(t, c, 1, "12345678")
			printTo(t, c, 1, "9")
			output(t, c, "out")
			printTo(t, c, 1, "abc")
		}, "out", "1234\n… 7 bytes dropped\n", "", false},
		{"long output", faas.Reactor, func(t *testing.T, c *Call) { output(t, c, long) }, "", "", "", true},
		{"long output, then a short one", faas.Reactor, func(t *testing.T, c *Call) { output(t, c, long); output(t, c, "ok") }, "ok", "", "", false},
		{"short output, then a long one", faas.Reactor, func(t *testing.T, c *Call) { output(t, c, "ok"); output(t, c, long) }, "", "", "", true},
	} {
		for _, known := range []faas.Kind{c.kind, ""} { // Finish settles the same when NewCall did not know the kind
			t.Run(c.name+"/"+string(known), func(t *testing.T) {
				call := NewCall(CallConfig{Kind: known, MaxOutput: 8, MaxLog: 4})
				c.do(t, call)
				out, stdout, stderr, err := call.Finish(c.kind, false)
				if string(out) != c.output || string(stdout) != c.stdout || string(stderr) != c.stderr {
					t.Errorf("output %q, stdout %q, stderr %q; want %q, %q, %q", out, stdout, stderr, c.output, c.stdout, c.stderr)
				}
				if (faas.CodeOf(errOrNil(err)) == faas.TooLarge) != c.tooLarge {
					t.Errorf("error %v, want too_large: %v", err, c.tooLarge)
				}
			})
		}
	}
}

// errOrNil returns err as an error, nil when it is nil.
func errOrNil(err *faas.Error) error {
	if err == nil {
		return nil
	}
	return err
}

func TestStdoutPastTheOutputIsEFBIG(t *testing.T) {
	c := NewCall(CallConfig{MaxOutput: 4})
	if errno := printTo(t, c, 1, "abcd"); errno != wasi.ESUCCESS {
		t.Error(errno)
	}
	if errno := printTo(t, c, 1, "e"); errno != wasi.EFBIG {
		t.Errorf("errno %v, want EFBIG", errno)
	}
}

func TestReactorFloodsStdout(t *testing.T) {
	c := NewCall(CallConfig{Kind: faas.Reactor, MaxOutput: 1 << 30, MaxLog: 8})
	text := strings.Repeat("0123456789", 100)
	for range 1000 {
		if errno := printTo(t, c, 1, text); errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
	}
	if _, stdout, _, err := c.Finish(faas.Reactor, false); string(stdout) != "01234567\n… 999992 bytes dropped\n" || err != nil {
		t.Errorf("%q, %v", stdout, err)
	}
}

func TestOutputIsACopy(t *testing.T) {
	c := NewCall(CallConfig{})
	mem := guest.Memory("hello")
	must(t, c, mem, "__faasm_write_output", 0, 5)
	copy(mem, "spoil")
	if out, _, _, _ := c.Finish(faas.Reactor, false); string(out) != "hello" {
		t.Errorf("output %q after the guest changed its memory", out)
	}
}

func TestBacktrace(t *testing.T) {
	stack := &fakeGuest{stack: []faas.Frame{{Function: "inner", Offset: 0x2a}, {Function: "outer"}}}
	for _, c := range []struct {
		depth uint64
		want  string
	}{{0, "  at inner +0x2a\n  at outer\n"}, {0xffffffff, "  at inner +0x2a\n  at outer\n"}, {1, "  at inner +0x2a\n"}, {99, "  at inner +0x2a\n  at outer\n"}} {
		call := NewCall(CallConfig{Guest: stack})
		must(t, call, nil, "__faasm_backtrace", c.depth)
		if _, _, stderr, _ := call.Finish(faas.Reactor, false); string(stderr) != c.want {
			t.Errorf("depth %d: %q, want %q", c.depth, stderr, c.want)
		}
	}
	must(t, NewCall(CallConfig{}), nil, "__faasm_backtrace", 0) // no engine: no effect
}

func BenchmarkFdWrite64(b *testing.B) {
	c := NewCall(CallConfig{Kind: faas.Reactor})
	mem := make(guest.Memory, 64<<10)
	copy(mem, binary.LittleEndian.AppendUint64(nil, 64<<32|64))
	row, _ := New().Lookup(preview1, "fd_write")
	args := raw([]uint64{2, 0, 1, 16})
	b.ReportAllocs()
	for b.Loop() {
		if errno, err := row.Func(c, mem, args); errno != 0 || err != nil {
			b.Fatal(errno, err)
		}
	}
}

func BenchmarkNewCall(b *testing.B) {
	input := bytes.Repeat([]byte("x"), 100)
	b.ReportAllocs()
	for b.Loop() {
		NewCall(CallConfig{Kind: faas.Reactor, Input: input})
	}
}
