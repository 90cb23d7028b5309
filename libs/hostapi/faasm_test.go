package hostapi

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

func TestFixedAnswers(t *testing.T) {
	c := NewCall(CallConfig{})
	for name, want := range map[string]uint64{
		"getuid": 1000, "geteuid": 1000, "getgid": 1000, "getegid": 1000, "getpid": 23, "getppid": 1, "gettid": 66,
		"getgrent": 0, "pthread_self": 0,
	} {
		if got := must(t, c, nil, name); got != want {
			t.Errorf("%s() = %d", name, got)
		}
	}
	for name, want := range map[string]uint64{"waitpid": none, "ioctl": none} {
		if got := must(t, c, nil, name, 1, 2, 3); got != want {
			t.Errorf("%s = %#x", name, got)
		}
	}
	for name, want := range map[uint64]uint64{scPageSize: 65536, scProcessorsOn: 1, scOpenMax: faas.OpenFiles, 7777: none} {
		if got := must(t, c, nil, "sysconf", name); got != want {
			t.Errorf("sysconf(%d) = %d", name, got)
		}
	}
}

func TestExits(t *testing.T) {
	for _, name := range []string{"exit", "_Exit"} {
		_, err := call(t, NewCall(CallConfig{}), nil, name, 3)
		if exit := (wasi.Exit{}); !errors.As(err, &exit) || exit.Code != 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := call(t, NewCall(CallConfig{}), nil, "abort"); !errors.Is(err, errAborted) {
		t.Errorf("abort: %v", err)
	}
}

func TestSystemTexts(t *testing.T) {
	c := NewCall(CallConfig{})
	mem := guest.Memory(strings.Repeat("?", 1000))
	must(t, c, mem, "uname", 8)
	for i, want := range []string{"Linux", "faasm", "1.0.0", "Faasm 123", "x86", ""} {
		if got, _, _ := strings.Cut(string(mem[8+65*i:]), "\x00"); got != want {
			t.Errorf("field %d of uname: %q", i, got)
		}
	}
	if mem[7] != '?' || mem[8+6*65] != '?' {
		t.Error("uname writes around its struct")
	}
	if got := must(t, c, mem, "gethostname", 0, 6); got != 0 || string(mem[:6]) != "faasm\x00" {
		t.Errorf("gethostname: %d %q", got, mem[:6])
	}
	if got := must(t, c, mem, "gethostname", 0, 5); got != none {
		t.Errorf("gethostname that does not fit: %d", got)
	}
	if got := must(t, c, mem, "confstr", 0, 0, 5); got != 14 || string(mem[:6]) != "/bin\x00\x00" {
		t.Errorf("confstr: %d %q", got, mem[:6])
	}
	if got := must(t, c, mem, "confstr", 0, none, 0); got != 14 {
		t.Errorf("the size of confstr: %d", got)
	}
	copy(mem, "ALWAYS_ON\x00ALWAYS_OFF\x00")
	if must(t, c, mem, "__faasm_conf_flag", 0) != 1 || must(t, c, mem, "__faasm_conf_flag", 10) != 0 {
		t.Error("flags")
	}
	must(t, c, mem, "getrlimit", 7, 16)
	must(t, c, mem, "getrlimit", 0, 0)
	if binary.LittleEndian.Uint64(mem[16:]) != faas.OpenFiles || binary.LittleEndian.Uint64(mem[8:]) != rlimNone {
		t.Error("getrlimit")
	}
	mem[999] = 'x'
	for name, args := range map[string][]uint64{"uname": {1000 - 389}, "getrlimit": {7, 990}, "__faasm_conf_flag": {995}, "gethostname": {998, 6}, "confstr": {0, 998, 14}} {
		if _, err := call(t, c, mem, name, args...); !errors.As(err, new(*PointerError)) {
			t.Errorf("%s outside the memory: %v", name, err)
		}
	}
}

func TestPasswd(t *testing.T) {
	g := newGuest(1, 3)
	c := NewCall(CallConfig{Guest: g})
	at := must(t, c, g.mem, "getpwuid", 1000)
	text := func(off uint64) string {
		p, _ := g.mem.Uint32(uint32(at + off))
		s, _, _ := strings.Cut(string(g.mem[p:]), "\x00")
		return s
	}
	uid, _ := g.mem.Uint32(uint32(at + 8))
	if text(0) != "faasm" || uid != 1000 || text(20) != "/home/faasm/" || text(24) != "/bin/sh" {
		t.Errorf("%q %d %q %q", text(0), uid, text(20), text(24))
	}
	if again := must(t, c, g.mem, "getpwnam", 0); again != at {
		t.Errorf("%#x, then %#x", at, again)
	}
	if got := must(t, NewCall(CallConfig{Guest: newGuest(1, 1)}), g.mem, "getpwuid", 0); got != 0 {
		t.Errorf("without room: %#x", got)
	}
}

func TestPuts(t *testing.T) {
	c := NewCall(CallConfig{Kind: faas.Reactor})
	mem := guest.Memory("hello\x00never ends")
	must(t, c, mem, "puts", 0)
	if _, err := call(t, c, mem, "puts", 6); !errors.As(err, new(*PointerError)) {
		t.Errorf("a text without an end: %v", err)
	}
	if _, stdout, _, _ := c.Finish(faas.Reactor, false); string(stdout) != "hello\n" {
		t.Errorf("stdout %q", stdout)
	}
}

// TestMissing makes sure that what is said to be missing is, and that each import is said to be only once.
func TestMissing(t *testing.T) {
	table, n := New(), 0
	for _, e := range missing {
		for name := range strings.FieldsSeq(e.names) {
			n++
			if _, ok := table.Lookup(env, name); ok {
				t.Errorf("%s is missing, and a row", name)
			}
			if got := table.Why(env, name); got != e.why {
				t.Errorf("%s is there twice: %q and %q", name, e.why, got)
			}
		}
	}
	if n < 200 || table.Why("env", "teapot") != "" || table.Why(preview1, "MPI_Init") != "" {
		t.Errorf("%d names", n)
	}
}
