package wasi

import (
	"bytes"
	"testing"
)

func TestReadFile(t *testing.T) {
	b := newBox(t, map[string]string{"lib/a.so": "code", "empty": ""})
	fd := b.must("own", 1, RightWrite|RightSeek)
	b.put(atData, "mine")
	b.mem.PutUint32(atIovs, atData)
	b.mem.PutUint32(atIovs+4, 4)
	b.want("write", b.FdWrite(b.mem, fd, atIovs, 1, atOut), ESUCCESS)
	for path, want := range map[string]string{"lib/a.so": "code", "/lib/a.so": "code", "//lib/../lib/a.so": "code", "faasm://lib/a.so": "code", "empty": "", "own": "mine"} {
		if got, errno := b.ReadFile(path, 4); errno != ESUCCESS || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, errno)
		}
	}
	for path, want := range map[string]Errno{"lib": EISDIR, "": ENOENT, "/": ENOENT, "none": ENOENT, "../lib/a.so": ENOTCAPABLE, "lib/a.so/x": ENOTDIR} {
		if _, errno := b.ReadFile(path, 4); errno != want {
			t.Errorf("%q: %v, want %v", path, errno, want)
		}
	}
	left := int64(7)
	b.FileLimits.Reserve = func(n int64) bool { left -= n; return left >= 0 }
	for i, want := range []Errno{ESUCCESS, EDQUOT} {
		if _, errno := b.ReadFile("lib/a.so", 4); errno != want {
			t.Errorf("reading %d with memory for one: %v", i, errno)
		}
	}
	if _, errno := b.ReadFile("lib/a.so", 3); errno != EFBIG {
		t.Errorf("a file that is too large: %v", errno)
	}
}

func TestReadAt(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789"})
	fd := b.must("f", 0, RightRead|RightSeek)
	buf := bytes.Repeat([]byte{'?'}, 6)
	if n, errno := b.ReadAt(fd, buf, 7); n != 3 || errno != ESUCCESS || string(buf) != "789???" {
		t.Errorf("%d %v %q", n, errno, buf)
	}
	for fd, want := range map[uint32]Errno{0: ESPIPE, 77: EBADF, 3: EISDIR, b.must("f", 0, RightRead): ENOTCAPABLE} {
		if _, errno := b.ReadAt(fd, buf, 0); errno != want {
			t.Errorf("descriptor %d: %v, want %v", fd, errno, want)
		}
	}
}
