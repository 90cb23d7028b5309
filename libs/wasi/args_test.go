package wasi

import (
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
)

func TestStrings(t *testing.T) {
	s := &System{Args: []string{"a", "bc"}, Env: []string{"a=b", "b=cd"}}
	type call func(mem guest.Memory, a, b uint32) Errno
	for _, c := range []struct {
		name  string
		call  call
		a, b  uint32
		size  int
		errno Errno
		want  []byte // from address 1 on, one '?' after it
	}{
		{"args", s.ArgsGet, 7, 1, 16, ESUCCESS, join([]byte("a\x00bc\x00?"), words(1, 3))},
		{"args, table first", s.ArgsGet, 1, 9, 15, ESUCCESS, join(words(9, 11), []byte("a\x00bc\x00"))},
		{"args, bytes one out", s.ArgsGet, 1, 10, 14, EFAULT, nil},
		{"args, table one out", s.ArgsGet, 8, 1, 15, EFAULT, nil},
		{"args, wild table", s.ArgsGet, 0xfffffffc, 1, 15, EFAULT, nil},
		{"args, wild bytes", s.ArgsGet, 1, 0xffffffff, 15, EFAULT, nil},
		{"args sizes", s.ArgsSizesGet, 1, 6, 11, ESUCCESS, join(words(2), []byte("?"), words(5))},
		{"args sizes, count out", s.ArgsSizesGet, 8, 1, 11, EFAULT, nil},
		{"args sizes, size out", s.ArgsSizesGet, 1, 0xfffffffd, 11, EFAULT, nil},
		{"environ", s.EnvironGet, 11, 1, 20, ESUCCESS, join([]byte("a=b\x00b=cd\x00?"), words(1, 5))},
		{"environ, wild", s.EnvironGet, 0xffffffff, 0xffffffff, 20, EFAULT, nil},
		{"environ sizes", s.EnvironSizesGet, 1, 6, 11, ESUCCESS, join(words(2), []byte("?"), words(9))},
		{"environ sizes, wild", s.EnvironSizesGet, 0xffffffff, 0, 11, EFAULT, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem, want := paper(c.size), paper(c.size)
			put(t, want, 1, c.want)
			check(t, c.call(mem, c.a, c.b), c.errno, mem, want)
		})
	}
}

func TestNoStrings(t *testing.T) {
	s := &System{}
	mem := paper(10)
	check(t, s.ArgsSizesGet(mem, 1, 5), ESUCCESS, mem, join([]byte("?"), words(0, 0), []byte("?")))
	mem = paper(4)
	check(t, s.EnvironGet(mem, 4, 4), ESUCCESS, mem, paper(4))
	check(t, s.EnvironGet(mem, 5, 0), EFAULT, mem, paper(4))
}
