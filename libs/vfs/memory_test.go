package vfs_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
)

// What a guest has deleted is no memory any more, and a name is as long as it is: nothing stays that no limit counts.
func TestNothingStaysUncounted(t *testing.T) {
	const most = 4 << 20
	for name, fill := range map[string]func(t *testing.T, f *vfs.FS, root *vfs.Handle){
		"pages": func(t *testing.T, f *vfs.FS, root *vfs.Handle) { // cut down to one
			for i := range 3 {
				h, errno := f.Open(t.Context(), root, fmt.Sprint(i), vfs.Mode{Create: true, Write: true})
				for p := int64(0); p < 100_000 && errno == vfs.OK; p++ {
					_, errno = h.WriteAt(t.Context(), []byte{1}, p<<16)
				}
				if errno != vfs.OK {
					t.Fatal(errno)
				}
				if errno := h.Truncate(t.Context(), 1); errno != vfs.OK {
					t.Fatal(errno)
				}
				h.Close()
			}
		},
		"names": func(t *testing.T, f *vfs.FS, root *vfs.Handle) { // of which one stays
			for i := range 90 {
				dir := fmt.Sprintf("%d", i)
				errno := f.Mkdir(root, dir)
				for j := 0; j < 3900 && errno == vfs.OK; j++ {
					errno = f.Mkdir(root, fmt.Sprintf("%s/%d", dir, j))
				}
				for j := 1; j < 3900 && errno == vfs.OK; j++ {
					errno = f.Rmdir(root, fmt.Sprintf("%s/%d", dir, j))
				}
				if errno != vfs.OK {
					t.Fatal(errno)
				}
			}
		},
		"paths": func(t *testing.T, f *vfs.FS, root *vfs.Handle) { // as long as links can make them
			long := func(head, tail string) string {
				return head + strings.Repeat("/.", (vfs.MaxPath-len(head)-len(tail))/2) + tail
			}
			errno := vfs.OK
			for i := 0; i < vfs.MaxLinks && errno == vfs.OK; i++ {
				next := fmt.Sprintf("l%d", i+1)
				if i == vfs.MaxLinks-1 {
					next = "."
				}
				errno = f.Symlink(long(next, ""), root, fmt.Sprintf("l%d", i))
			}
			for i := 0; i < 200 && errno == vfs.OK; i++ {
				errno = f.Mkdir(root, long("l0", fmt.Sprintf("/x%d", i)))
			}
			if errno != vfs.OK {
				t.Fatal(errno)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := vfs.New(nil, vfs.Limits{}, nil)
			root := f.Root()
			before := heap()
			fill(t, f, root)
			if grown := heap() - before; grown > most {
				bytes, names := f.Used()
				t.Errorf("%d bytes are kept for %d bytes and %d names", grown, bytes, names)
			}
			runtime.KeepAlive(f)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Shared files that are open or changed, each far down in directories of its own, are not kept without end.
func TestFilesInDeepDirectories(t *testing.T) {
	files := map[string]string{}
	deep := strings.Repeat("/d", 200) + "/f"
	for i := range 100 {
		files[fmt.Sprint(i)+deep] = ""
	}
	w := newWorld(t, files, vfs.Limits{})
	for name, change := range map[string]func(w *world, dir string) vfs.Errno{
		"make":   func(w *world, dir string) vfs.Errno { return w.Mkdir(w.root, dir+"new") },
		"remove": func(w *world, dir string) vfs.Errno { return w.Unlink(w.root, dir+"f") },
		"rename": func(w *world, dir string) vfs.Errno { return w.Rename(w.root, dir+"f", w.root, dir+"g") },
		"times": func(w *world, dir string) vfs.Errno {
			return w.SetTimes(w.root, dir+"f", true, vfs.Time{Set: true}, vfs.Time{})
		},
		"link": func(w *world, dir string) vfs.Errno { return w.Link(w.root, dir+"f", true, w.root, dir+"g") },
	} {
		w, errno := newWorld(t, files, vfs.Limits{}), vfs.OK
		for i := 0; i < 100 && errno == vfs.OK; i++ {
			errno = change(w, strings.TrimSuffix(fmt.Sprint(i)+deep, "f"))
		}
		if pinned := vfs.Pinned(w.FS); errno != vfs.ENOSPC || pinned > 20_000 {
			t.Errorf("%s: %v, with %d pinned", name, errno, pinned)
		}
	}
	for range 2 {
		var open []*vfs.Handle
		errno := vfs.OK
		for i := 0; i < 100 && errno == vfs.OK; i++ {
			var h *vfs.Handle
			if h, errno = w.Open(t.Context(), w.root, fmt.Sprint(i)+deep, vfs.Mode{}); errno == vfs.OK {
				open = append(open, h)
			}
		}
		if pinned := vfs.Pinned(w.FS); errno != vfs.ENOSPC || pinned > 20_000 {
			t.Errorf("%v, with %d open and %d pinned", errno, len(open), pinned)
		}
		for _, h := range open {
			h.Close()
		}
		if pinned := vfs.Pinned(w.FS); pinned != 0 {
			t.Errorf("%d are pinned at the end", pinned)
		}
	}
}
