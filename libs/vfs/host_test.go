//go:build linux

package vfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
)

// tree compares everything that there is.
func (p *pair) tree(dir *vfs.Handle, name string, inodes map[uint64]uint64) {
	p.t.Helper()
	ctx := context.Background()
	var got []string
	if errno := dir.Entries(2, func(e vfs.Entry) bool { got = append(got, e.Name); return true }); errno != vfs.OK {
		p.t.Fatal(errno)
	}
	slices.Sort(got)
	list, err := os.ReadDir(p.at(name))
	if err != nil {
		p.t.Fatal(err)
	}
	var want []string
	for _, e := range list {
		want = append(want, e.Name())
	}
	if !slices.Equal(got, want) {
		p.t.Fatalf("%q holds %q, on the host %q; after\n%s", name, got, want, strings.Join(p.log, "\n"))
	}
	for _, e := range got {
		st, errno := p.fs.Stat(dir, e, false)
		if errno != vfs.OK {
			p.t.Fatalf("%s: %v", e, errno)
		}
		file := name + "/" + e
		var host syscall.Stat_t
		if err := syscall.Lstat(p.at(file), &host); err != nil {
			p.t.Fatal(err)
		}
		p.compare(file, st, &host)
		if known, ok := inodes[host.Ino]; ok && known != st.Inode {
			p.t.Fatalf("%s: a file with two inode numbers; after\n%s", file, strings.Join(p.log, "\n"))
		}
		inodes[host.Ino] = st.Inode
		if st.Kind == vfs.Symlink {
			continue
		}
		h, errno := p.fs.Open(ctx, dir, e, vfs.Mode{})
		if errno != vfs.OK {
			p.t.Fatalf("%s: %v", file, errno)
		}
		if st.Kind == vfs.Directory {
			p.tree(h, file, inodes)
		} else {
			b := make([]byte, st.Size)
			_, errno := h.ReadAt(ctx, b, 0)
			if want, err := os.ReadFile(p.at(file)); errno != vfs.OK || err != nil || string(b) != string(want) {
				p.t.Fatalf("%s differs (%v, %v); after\n%s", file, errno, err, strings.Join(p.log, "\n"))
			}
		}
		h.Close()
	}
}

// run does what data says, compares, and takes all of it away again: nothing must be left of it.
func (p *pair) run() {
	p.t.Helper()
	for len(p.data) > 0 {
		p.step()
	}
	p.tree(p.root, "", map[uint64]uint64{})
	for _, o := range p.handles {
		o.h.Close()
		_ = syscall.Close(o.fd)
	}
	p.tree(p.root, "", map[uint64]uint64{})
	empty(p.t, p.fs, p.root)
	if bytes, names := p.fs.Used(); bytes != 0 || names != 3 { // the removal of the shared a, b and f
		p.t.Fatalf("%d bytes and %d names are left of an empty root; after\n%s", bytes, names, strings.Join(p.log, "\n"))
	}
}

// empty removes all that is in a directory.
func empty(t testing.TB, fs *vfs.FS, dir *vfs.Handle) {
	t.Helper()
	var list []vfs.Entry
	_ = dir.Entries(2, func(e vfs.Entry) bool { list = append(list, e); return true })
	for _, e := range list {
		if e.Kind != vfs.Directory {
			if errno := fs.Unlink(dir, e.Name); errno != vfs.OK {
				t.Fatalf("%s: %v", e.Name, errno)
			}
			continue
		}
		h, errno := fs.Open(context.Background(), dir, e.Name, vfs.Mode{})
		if errno != vfs.OK {
			t.Fatalf("%s: %v", e.Name, errno)
		}
		empty(t, fs, h)
		h.Close()
		if errno := fs.Rmdir(dir, e.Name); errno != vfs.OK {
			t.Fatalf("%s: %v", e.Name, errno)
		}
	}
}

// TestAgainstTheHost does the same at random on a file system and on the host's: results, errnos and all files are the same.
func TestAgainstTheHost(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 25
	}
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		data := make([]byte, 4000)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newPair(t, data).run() })
	}
}

// FuzzAgainstTheHost does what the fuzzer finds.
func FuzzAgainstTheHost(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		data := make([]byte, 300)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { newPair(t, data[:min(len(data), 2000)]).run() })
}
