//go:build linux

package vfs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// ours are the answers of this package by the kernel's.
var ours = map[error]vfs.Errno{
	nil: vfs.OK, syscall.EBUSY: vfs.EBUSY, syscall.EEXIST: vfs.EEXIST, syscall.EFBIG: vfs.EFBIG, syscall.EINVAL: vfs.EINVAL,
	syscall.EISDIR: vfs.EISDIR, syscall.ELOOP: vfs.ELOOP, syscall.ENAMETOOLONG: vfs.ENAMETOOLONG, syscall.ENOENT: vfs.ENOENT,
	syscall.ENOTDIR: vfs.ENOTDIR, syscall.ENOTEMPTY: vfs.ENOTEMPTY, syscall.EPERM: vfs.EPERM,
}

// pair does the same on a FS and in a folder of the host, and compares what both say.
type pair struct {
	t       testing.TB
	fs      *vfs.FS
	root    *vfs.Handle
	dir     string // of the host
	data    []byte // what decides what is done; 0 when it is used up
	handles []opened
	log     []string
}

// opened is a file that is open on both sides.
type opened struct {
	h  *vfs.Handle
	fd int
}

// shared is what is there in the beginning.
var shared = map[string]string{
	"a/b/c": "a shared file", "a/b/d": "", "a/e": strings.Repeat("0123456789abcdef", 10000), "f": "another", "b/a/a": "deep", "b/a/b": "deeper",
}

// inMemory returns a folder in memory where the machine has one.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "shoal")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newPair(t testing.TB, data []byte) *pair {
	t.Helper()
	p := &pair{t: t, fs: vfs.New(vfstest.New(shared), vfs.Limits{}, nil), dir: inMemory(t), data: data}
	p.root = p.fs.Root()
	for name, text := range shared {
		file := filepath.Join(p.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// pick returns a number below n.
func (p *pair) pick(n int) int {
	if len(p.data) == 0 {
		return 0
	}
	v := int(p.data[0])
	p.data = p.data[1:]
	return v % n
}

// path returns a path, mostly one that may lead somewhere.
func (p *pair) path() string {
	var b strings.Builder
	for i := range 1 + min(p.pick(4), p.pick(4)) {
		if i > 0 {
			b.WriteString([]string{"/", "/", "/", "//"}[p.pick(4)])
		}
		switch k := p.pick(24); {
		case k < 18:
			b.WriteByte("abcdef"[k%6])
		case k < 20:
			b.WriteString(".")
		case k < 22:
			b.WriteString("..")
		case k == 22:
			b.WriteString(strings.Repeat("n", 255+p.pick(2)))
		default:
			b.WriteString("Ünïcode")
		}
	}
	if p.pick(10) == 0 {
		b.WriteString("/")
	}
	return b.String()
}

// at returns the host's name for a path beneath the root.
func (p *pair) at(path string) string { return p.dir + "/" + path }

// base is a directory to start from, on both sides.
type base struct {
	h   *vfs.Handle
	dir string
	say string // where it is, for the log
}

// at returns the host's name for a path beneath b.
func (b base) at(path string) string { return b.dir + "/" + path }

// base picks the root, mostly, or an open directory, which may have been moved or removed.
func (p *pair) base() base {
	if n := len(p.handles); n > 0 && p.pick(3) == 0 {
		i := p.pick(n)
		if o := p.handles[i]; o.h.Kind() == vfs.Directory {
			return base{o.h, fmt.Sprintf("/proc/self/fd/%d", o.fd), fmt.Sprintf("(%d)/", i)}
		}
	}
	return base{p.root, p.dir, ""}
}

// same compares the answers. What leads out is not done on the host, which would let it.
func (p *pair) same(what string, errno vfs.Errno, host func() error) bool {
	p.t.Helper()
	p.log = append(p.log, what+": "+errno.String())
	if errno == vfs.ENOTCAPABLE {
		return false
	}
	err := host()
	if errno == vfs.ENAMETOOLONG && err != nil { // of two paths with something wrong, the host may name the other
		return false
	}
	if got, ok := ours[err]; !ok || got != errno {
		p.t.Fatalf("%s: %v, and the host says %v, after\n%s", what, errno, err, strings.Join(p.log, "\n"))
	}
	return err == nil
}

// step does one operation.
func (p *pair) step() {
	p.t.Helper()
	ctx := context.Background()
	at := p.base()
	switch op := p.pick(12); op {
	case 0:
		name := p.path()
		p.same("mkdir "+at.say+name, p.fs.Mkdir(at.h, name), func() error { return syscall.Mkdir(at.at(name), 0o700) })
	case 1:
		name := p.path()
		p.same("rmdir "+at.say+name, p.fs.Rmdir(at.h, name), func() error { return syscall.Rmdir(at.at(name)) })
	case 2:
		name := p.path()
		p.same("unlink "+at.say+name, p.fs.Unlink(at.h, name), func() error { return syscall.Unlink(at.at(name)) })
	case 3:
		from, old, name := p.base(), p.path(), p.path()
		p.same("link "+from.say+old+" "+at.say+name, p.fs.Link(from.h, old, false, at.h, name), func() error { return syscall.Link(from.at(old), at.at(name)) })
	case 4:
		target, name := p.path(), p.path()
		p.same("symlink "+target+" "+at.say+name, p.fs.Symlink(target, at.h, name), func() error { return syscall.Symlink(target, at.at(name)) })
	case 5, 6:
		from, old, name := p.base(), p.path(), p.path()
		p.same("rename "+from.say+old+" "+at.say+name, p.fs.Rename(from.h, old, at.h, name), func() error { return syscall.Rename(from.at(old), at.at(name)) })
	case 7, 8:
		p.open(ctx, at)
	case 9:
		if len(p.handles) > 0 {
			p.use(ctx, p.handles[p.pick(len(p.handles))])
		}
	case 10:
		name := p.path()
		buf := make([]byte, 5000)
		target, errno := p.fs.Readlink(at.h, name)
		p.same("readlink "+at.say+name, errno, func() error {
			n, err := syscall.Readlink(at.at(name), buf)
			if err == nil && string(buf[:n]) != target {
				p.t.Fatalf("readlink %s: %q, on the host %q", name, target, buf[:n])
			}
			return err
		})
	case 11:
		name, end := p.path(), p.pick(2) == 1
		st, errno := p.fs.Stat(at.h, name, end)
		p.same(fmt.Sprintf("stat %s%s %t", at.say, name, end), errno, func() error {
			var host syscall.Stat_t
			err := syscall.Lstat(at.at(name), &host)
			if end {
				err = syscall.Stat(at.at(name), &host)
			}
			if err == nil {
				p.compare(name, st, &host)
			}
			return err
		})
	}
}

// compare compares attributes.
func (p *pair) compare(name string, st vfs.Stat, host *syscall.Stat_t) {
	p.t.Helper()
	kind := map[uint32]vfs.Kind{syscall.S_IFREG: vfs.Regular, syscall.S_IFDIR: vfs.Directory, syscall.S_IFLNK: vfs.Symlink}[host.Mode&syscall.S_IFMT]
	if st.Kind != kind || kind != vfs.Directory && (st.Size != uint64(host.Size) || st.Links != uint64(host.Nlink)) {
		p.t.Fatalf("%s: kind %d, %d bytes, %d links; on the host %d, %d, %d; after\n%s", name, st.Kind, st.Size, st.Links, kind, host.Size, host.Nlink, strings.Join(p.log, "\n"))
	}
}

func (p *pair) open(ctx context.Context, at base) {
	p.t.Helper()
	name, bits := p.path(), p.pick(64)
	m := vfs.Mode{Create: bits&1 != 0, Exclusive: bits&2 != 0, Truncate: bits&4 != 0, Directory: bits&24 == 8, Follow: bits&32 != 0, Write: bits&16 != 0}
	if m.Directory { // kernels differ in what they do with a directory that is to be created or cut
		m.Create, m.Truncate, m.Exclusive = false, false, false
	}
	if !m.Create {
		m.Exclusive = false
	}
	flags := syscall.O_RDONLY
	for flag, set := range map[int]bool{
		syscall.O_CREAT: m.Create, syscall.O_EXCL: m.Exclusive, syscall.O_TRUNC: m.Truncate, syscall.O_DIRECTORY: m.Directory, syscall.O_NOFOLLOW: !m.Follow,
		syscall.O_RDWR: m.Write,
	} {
		if set {
			flags |= flag
		}
	}
	h, errno := p.fs.Open(ctx, at.h, name, m)
	fd := -1
	if p.same(fmt.Sprintf("open %s%s %+v", at.say, name, m), errno, func() (err error) { fd, err = syscall.Open(at.at(name), flags|syscall.O_CLOEXEC, 0o600); return err }) {
		if !m.Write && h.Kind() == vfs.Regular { // to be able to do the same on both sides
			_ = syscall.Close(fd)
			var err error
			if fd, err = syscall.Open(at.at(name), syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
				p.t.Fatal(err)
			}
		}
		p.handles = append(p.handles, opened{h, fd})
	}
}

// use reads, writes, cuts or closes something that is open.
func (p *pair) use(ctx context.Context, o opened) {
	p.t.Helper()
	off := int64(p.pick(256)) * []int64{1, 700, 70001}[p.pick(3)]
	switch op := p.pick(5); op {
	case 0, 1:
		text := []byte(strings.Repeat(string(rune('A'+p.pick(26))), 1+p.pick(256)*[]int{1, 300}[p.pick(2)]))
		n, errno := o.h.WriteAt(ctx, text, off)
		if o.h.Kind() == vfs.Directory {
			if errno != vfs.EISDIR {
				p.t.Fatalf("writing to a directory: %v", errno)
			}
			return
		}
		p.same(fmt.Sprintf("write %d at %d", len(text), off), errno, func() error {
			m, err := syscall.Pwrite(o.fd, text, off)
			if m != n {
				p.t.Fatalf("wrote %d, on the host %d", n, m)
			}
			return err
		})
	case 2:
		errno := o.h.Truncate(ctx, off)
		if o.h.Kind() != vfs.Directory {
			p.same(fmt.Sprintf("truncate %d", off), errno, func() error { return syscall.Ftruncate(o.fd, off) })
		}
	case 3:
		a, b := make([]byte, 100000), make([]byte, 100000)
		n, errno := o.h.ReadAt(ctx, a, off)
		p.same(fmt.Sprintf("read at %d", off), errno, func() error {
			m, err := syscall.Pread(o.fd, b, off)
			if err == nil && string(a[:n]) != string(b[:m]) {
				p.t.Fatalf("read %d bytes, on the host %d, and not the same; after\n%s", n, m, strings.Join(p.log, "\n"))
			}
			return err
		})
	case 4:
		var host syscall.Stat_t
		if err := syscall.Fstat(o.fd, &host); err != nil {
			p.t.Fatal(err)
		}
		p.compare("an open file", o.h.Stat(), &host)
	}
}
