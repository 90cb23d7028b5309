package wasi

import (
	"context"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Preopen is a directory that is open from the beginning, from descriptor 3 on.
type Preopen struct {
	Name string // what the guest takes it for, as "/"
	Path string // in the call's files, without a "/" at either end; "" is the root
}

// rootOnly are the preopened directories when nothing else is said.
var rootOnly = []Preopen{{Name: "/"}}

func (s *System) preopens() []Preopen {
	if s.Preopens == nil {
		return rootOnly
	}
	return s.Preopens
}

// device is the number of the device that files are on. stdin, stdout and stderr are on another, 0.
const device = 1

// errnos are preview1's errnos by those of the files.
var errnos = [...]Errno{
	vfs.OK: ESUCCESS, vfs.EBUSY: EBUSY, vfs.EDQUOT: EDQUOT, vfs.EEXIST: EEXIST, vfs.EFBIG: EFBIG, vfs.EILSEQ: EILSEQ, vfs.EINTR: EINTR,
	vfs.EINVAL: EINVAL, vfs.EIO: EIO, vfs.EISDIR: EISDIR, vfs.ELOOP: ELOOP, vfs.ENAMETOOLONG: ENAMETOOLONG, vfs.ENOENT: ENOENT,
	vfs.ENOSPC: ENOSPC, vfs.ENOTCAPABLE: ENOTCAPABLE, vfs.ENOTDIR: ENOTDIR, vfs.ENOTEMPTY: ENOTEMPTY, vfs.EPERM: EPERM,
}

// errnoOf returns preview1's errno.
func errnoOf(e vfs.Errno) Errno { return errnos[e] }

// tree returns the call's files, which are made when they are first needed.
func (s *System) tree() *vfs.FS {
	if s.files == nil {
		s.files = vfs.New(s.Shared, s.FileLimits, s.Now)
		s.files.Ended = s.interrupted
	}
	return s.files
}

// ctx returns what ends an operation on files.
func (s *System) ctx() context.Context {
	if s.Ctx == nil {
		return context.Background()
	}
	return s.Ctx
}

// Looked reports whether the guest found anything out of the shared files, also that one is not there: what it keeps of
// that holds only with the same shared files.
func (s *System) Looked() bool { return s.files != nil && s.files.Looked() }

// LeftFiles reports whether the guest has files open, or has left private ones or changed shared ones: none of that is in a
// copy of its memory.
func (s *System) LeftFiles() bool {
	if s.files != nil && s.files.Left() {
		return true
	}
	pre := s.preopens()
	for i := range s.table {
		f := &s.table[i]
		switch {
		case f.file == nil, i < firstPreopen && f.file == &s.begin.files[i]:
		case i >= firstPreopen && i-firstPreopen < len(pre) && f.preopen != "" && f.preopen == pre[i-firstPreopen].Name:
		default:
			return true
		}
	}
	return false
}

// Close closes what the guest left open and gives back what its files hold. The System can't be used any more, but for what
// it reports. It may be called more than once.
func (s *System) Close() {
	for i := range s.table {
		if s.table[i].file != nil && s.table[i].handle != nil {
			s.table[i].handle.Close()
		}
	}
	if s.files != nil {
		s.files.Close()
	}
}

// dir returns a descriptor of a directory with rights.
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: it is no directory
//   - ENOTCAPABLE: it has not all the rights
//   - others: it is a preopened one that is not there
func (s *System) dir(fd uint32, rights uint64) (*fdesc, Errno) {
	f := s.open(fd)
	switch {
	case f == nil:
		return nil, EBADF
	case f.source != directory:
		return nil, ENOTDIR
	case f.rights&rights != rights:
		return nil, ENOTCAPABLE
	}
	if f.handle == nil {
		if errno := s.openPreopen(f.file); errno != ESUCCESS {
			return nil, errno
		}
	}
	return f, ESUCCESS
}

// openPreopen opens a preopened directory, as it is first used.
func (s *System) openPreopen(f *file) Errno {
	t := s.tree()
	root := t.Root()
	if f.path == "" {
		f.handle = root
		return ESUCCESS
	}
	defer root.Close()
	h, errno := t.Open(s.ctx(), root, f.path, vfs.Mode{Directory: true, Follow: true})
	if errno == vfs.OK {
		f.handle = h
	}
	return errnoOf(errno)
}

// path reads a path from the guest.
//
// Errors
//   - EFAULT: it is out of bounds
//   - ENAMETOOLONG: it has more than 4096 bytes
func path(mem guest.Memory, off, n uint32) (string, Errno) {
	b, ok := mem.Bytes(off, n)
	switch {
	case !ok:
		return "", EFAULT
	case n > vfs.MaxPath:
		return "", ENAMETOOLONG
	}
	return string(b), ESUCCESS
}

// filled returns the buffer that is to be filled in part, or false when it, or where how much of it that was is to be written, is
// out of bounds.
func filled(mem guest.Memory, buf, bufLen, bufused uint32) ([]byte, bool) {
	if _, ok := mem.Bytes(bufused, 4); !ok {
		return nil, false
	}
	return mem.Bytes(buf, bufLen)
}

// times reads what becomes of two times.
//
// Errors
//   - EINVAL: a flag that does not exist, or a time that is to be set both to a value and to now
func times(atim, mtim uint64, flags uint32) (accessed, modified vfs.Time, errno Errno) {
	const atimSet, atimNow, mtimSet, mtimNow = 1 << 0, 1 << 1, 1 << 2, 1 << 3
	if flags > 15 || flags&atimSet != 0 && flags&atimNow != 0 || flags&mtimSet != 0 && flags&mtimNow != 0 {
		return accessed, modified, EINVAL
	}
	accessed = vfs.Time{Set: flags&(atimSet|atimNow) != 0, Now: flags&atimNow != 0, At: atim}
	modified = vfs.Time{Set: flags&(mtimSet|mtimNow) != 0, Now: flags&mtimNow != 0, At: mtim}
	return accessed, modified, ESUCCESS
}

// putStat writes attributes over the 64 bytes of b, as FdFilestatGet draws them. A time of the call's own clock tells the time.
func (s *System) putStat(b guest.Memory, st vfs.Stat) {
	if st.Clock {
		s.unique, s.wall = true, true
	}
	clear(b)
	b.PutUint64(0, device)
	b.PutUint64(8, st.Inode)
	b.PutUint8(16, uint8(fileTypes[st.Kind]))
	b.PutUint64(24, st.Links)
	b.PutUint64(32, st.Size)
	b.PutUint64(40, st.Accessed)
	b.PutUint64(48, st.Modified)
	b.PutUint64(56, st.Changed)
}
