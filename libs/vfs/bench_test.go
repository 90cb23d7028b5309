package vfs_test

import (
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

func benchFS(b *testing.B) (*vfs.FS, *vfs.Handle) {
	b.Helper()
	f := vfs.New(vfstest.New(map[string]string{"a/b/c/file": "some text"}), vfs.Limits{}, nil)
	b.ReportAllocs()
	return f, f.Root()
}

func BenchmarkOpenReadClose(b *testing.B) {
	f, root := benchFS(b)
	buf := make([]byte, 64)
	for b.Loop() {
		h, errno := f.Open(b.Context(), root, "a/b/c/file", vfs.Mode{})
		if errno != vfs.OK {
			b.Fatal(errno)
		}
		if n, _ := h.ReadAt(b.Context(), buf, 0); n != 9 {
			b.Fatal(n)
		}
		h.Close()
	}
}

func BenchmarkStat(b *testing.B) {
	f, root := benchFS(b)
	for b.Loop() {
		if _, errno := f.Stat(root, "a/b/c/file", true); errno != vfs.OK {
			b.Fatal(errno)
		}
	}
}

func BenchmarkCreateUnlink(b *testing.B) {
	f, root := benchFS(b)
	for b.Loop() {
		h, errno := f.Open(b.Context(), root, "a/new", vfs.Mode{Create: true})
		if errno != vfs.OK {
			b.Fatal(errno)
		}
		h.Close()
		if errno := f.Unlink(root, "a/new"); errno != vfs.OK {
			b.Fatal(errno)
		}
	}
}

// BenchmarkWrite64 writes 64 bytes after another, to 1 MiB and again.
func BenchmarkWrite64(b *testing.B) {
	f, root := benchFS(b)
	h, errno := f.Open(b.Context(), root, "new", vfs.Mode{Create: true, Write: true})
	if errno != vfs.OK {
		b.Fatal(errno)
	}
	text, off := make([]byte, 64), int64(0)
	for b.Loop() {
		if _, errno := h.WriteAt(b.Context(), text, off%(1<<20)); errno != vfs.OK {
			b.Fatal(errno)
		}
		off += 64
	}
}
