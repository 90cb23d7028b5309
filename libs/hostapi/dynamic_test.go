package hostapi

import (
	"errors"
	"strings"
	"testing"
)

func TestLibraries(t *testing.T) {
	g := newGuest(1, 4)
	c := NewCall(CallConfig{Guest: g})
	copy(g.mem[100:], "lib.so\x00f\x00g\x00none.so\x00end.so\x00")
	for _, k := range []struct {
		what string
		name string
		args []uint64
		want uint64
		told string
	}{
		{"the program", "dlopen", []uint64{0, 0}, 999, ""},
		{"an empty path", "dlopen", []uint64{106, 0}, 999, ""},
		{"a library", "dlopen", []uint64{100, 0}, 1, ""},
		{"no library", "dlopen", []uint64{111, 0}, 0, "no library none.so"},
		{"a symbol", "dlsym", []uint64{1, 107}, 77, ""},
		{"no symbol", "dlsym", []uint64{1, 109}, 0, "no symbol g"},
		{"closed", "dlclose", []uint64{1}, 0, ""},
		{"not closed", "dlclose", []uint64{2}, none, "dlclose: no such handle"},
	} {
		if got := must(t, c, g.mem, k.name, k.args...); got != k.want {
			t.Errorf("%s: %#x, want %#x", k.what, got, k.want)
		}
		at := must(t, c, g.mem, "dlerror")
		told := ""
		if at != 0 {
			told, _, _ = strings.Cut(string(g.mem[at:]), "\x00")
		}
		if told != k.told {
			t.Errorf("%s: dlerror tells %q, want %q", k.what, told, k.told)
		}
		if must(t, c, g.mem, "dlerror") != 0 {
			t.Errorf("%s: dlerror tells it twice", k.what)
		}
	}
	if _, err := call(t, c, g.mem, "dlopen", 119, 0); !errors.Is(err, errEnd) {
		t.Errorf("a library that ends the guest: %v", err)
	}
	for _, name := range []string{"dlopen", "dlsym"} {
		args := []uint64{uint64(len(g.mem)), 0}
		if name == "dlsym" {
			args = []uint64{1, uint64(len(g.mem))}
		}
		var bad *PointerError
		if _, err := call(t, c, g.mem, name, args...); !errors.As(err, &bad) {
			t.Errorf("%s beyond the memory: %v", name, err)
		}
	}
}

func TestLongDlerror(t *testing.T) {
	g := newGuest(1, 4)
	c := NewCall(CallConfig{Guest: g})
	c.dlerror = strings.Repeat("x", 5000)
	at := must(t, c, g.mem, "dlerror")
	if text, _, _ := strings.Cut(string(g.mem[at:]), "\x00"); len(text) != dlerrorSize-1 {
		t.Errorf("%d bytes", len(text))
	}
}
