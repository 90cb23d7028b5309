package wasi

import "testing"

func TestFdFdstatGet(t *testing.T) {
	for _, c := range []struct {
		name    string
		fd, off uint32
		errno   Errno
		rights  uint64
	}{
		{"stdin", 0, 1, ESUCCESS, 0x0820000a},
		{"stdout", 1, 1, ESUCCESS, 0x08200048},
		{"stderr", 2, 2, ESUCCESS, 0x08200048},
		{"unknown", 3, 1, EBADF, 0},
		{"one out", 0, 3, EFAULT, 0},
		{"wild", 0, 0xfffffff0, EFAULT, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem, want := paper(26), paper(26)
			if c.errno == ESUCCESS {
				put(t, want, c.off, longs(0, c.rights, 0))
			}
			check(t, fixed().FdFdstatGet(mem, c.fd, c.off), c.errno, mem, want)
		})
	}
}

func TestFdFlags(t *testing.T) {
	s := fixed()
	for _, c := range []struct {
		fd, flags uint32
		want      Errno
	}{
		{0, FlagNonblock, ESUCCESS},
		{1, 0x1f, ESUCCESS},
		{2, 0, ESUCCESS},
		{0, 0x20, EINVAL},
		{0, 0x10000, EINVAL},
		{0, 0xffffffff, EINVAL},
		{3, 0, EBADF},
	} {
		if got := s.FdFdstatSetFlags(c.fd, c.flags); got != c.want {
			t.Errorf("set flags of %d to %#x: %v, want %v", c.fd, c.flags, got, c.want)
		}
	}
	mem, want := paper(24), paper(24)
	put(t, want, 0, longs(FlagNonblock<<16, 0x0820000a, 0))
	check(t, s.FdFdstatGet(mem, 0, 0), ESUCCESS, mem, want)
}

func TestFdRights(t *testing.T) {
	s := fixed()
	s.Stdin = []byte("x")
	mem := paper(64)
	put(t, mem, 0, words(8, 1))
	for _, step := range []struct {
		what string
		got  func() Errno
		want Errno
	}{
		{"add to stdin", func() Errno { return s.FdFdstatSetRights(0, RightRead|RightWrite, 0) }, ENOTCAPABLE},
		{"inherit", func() Errno { return s.FdFdstatSetRights(0, RightRead, RightRead) }, ENOTCAPABLE},
		{"unknown", func() Errno { return s.FdFdstatSetRights(3, 0, 0) }, EBADF},
		{"read before", func() Errno { return s.FdRead(mem, 0, 0, 1, 12) }, ESUCCESS},
		{"give up all of stdin", func() Errno { return s.FdFdstatSetRights(0, 0, 0) }, ESUCCESS},
		{"read", func() Errno { return s.FdRead(mem, 0, 0, 1, 12) }, ENOTCAPABLE},
		{"flags", func() Errno { return s.FdFdstatSetFlags(0, 0) }, ENOTCAPABLE},
		{"filestat", func() Errno { return s.FdFilestatGet(mem, 0, 0) }, ENOTCAPABLE},
		{"get it back", func() Errno { return s.FdFdstatSetRights(0, RightRead, 0) }, ENOTCAPABLE},
		{"give up writing", func() Errno { return s.FdFdstatSetRights(1, RightPoll, 0) }, ESUCCESS},
		{"write", func() Errno { return s.FdWrite(mem, 1, 0, 0, 12) }, ENOTCAPABLE},
	} {
		if got := step.got(); got != step.want {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
}

func TestFdFilestatGet(t *testing.T) {
	for _, c := range []struct {
		name    string
		fd, off uint32
		errno   Errno
		inode   uint64
	}{
		{"stdin", 0, 1, ESUCCESS, 1},
		{"stdout", 1, 1, ESUCCESS, 2},
		{"stderr", 2, 2, ESUCCESS, 3},
		{"unknown", 4, 1, EBADF, 0},
		{"one out", 0, 3, EFAULT, 0},
		{"wild", 0, 0xffffffc1, EFAULT, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem, want := paper(66), paper(66)
			if c.errno == ESUCCESS {
				put(t, want, c.off, longs(0, c.inode, 0, 1, 0, 0, 0, 0))
			}
			check(t, fixed().FdFilestatGet(mem, c.fd, c.off), c.errno, mem, want)
		})
	}
}

// TestAbsent walks every function for things that are not there: its answer for an open and for an unknown descriptor, with
// pointers that must not be followed.
func TestAbsent(t *testing.T) {
	const w = 0xffffffff
	mem := paper(64)
	for _, c := range []struct {
		name string
		call func(s *System, fd uint32) Errno
		want Errno // on stdio; EBADF on anything else
	}{
		{"fd_advise", func(s *System, fd uint32) Errno { return s.FdAdvise(fd, 0, 1, 5) }, ESPIPE},
		{"fd_advise, no advice", func(s *System, fd uint32) Errno { return s.FdAdvise(fd, 0, 1, 6) }, EINVAL},
		{"fd_allocate", func(s *System, fd uint32) Errno { return s.FdAllocate(fd, w, w) }, ESPIPE},
		{"fd_datasync", func(s *System, fd uint32) Errno { return s.FdDatasync(fd) }, EINVAL},
		{"fd_sync", func(s *System, fd uint32) Errno { return s.FdSync(fd) }, EINVAL},
		{"fd_filestat_set_size", func(s *System, fd uint32) Errno { return s.FdFilestatSetSize(fd, w) }, EINVAL},
		{"fd_filestat_set_times", func(s *System, fd uint32) Errno { return s.FdFilestatSetTimes(fd, w, w, w) }, ENOTSUP},
		{"fd_pread", func(s *System, fd uint32) Errno { return s.FdPread(mem, fd, w, w, w, w) }, ESPIPE},
		{"fd_pwrite", func(s *System, fd uint32) Errno { return s.FdPwrite(mem, fd, w, w, w, w) }, ESPIPE},
		{"fd_readdir", func(s *System, fd uint32) Errno { return s.FdReaddir(mem, fd, w, w, w, w) }, ENOTDIR},
		{"fd_prestat_get", func(s *System, fd uint32) Errno { return s.FdPrestatGet(mem, fd, w) }, EBADF},
		{"fd_prestat_dir_name", func(s *System, fd uint32) Errno { return s.FdPrestatDirName(mem, fd, w, w) }, EBADF},
		{"path_create_directory", func(s *System, fd uint32) Errno { return s.PathCreateDirectory(mem, fd, w, w) }, ENOTDIR},
		{"path_filestat_get", func(s *System, fd uint32) Errno { return s.PathFilestatGet(mem, fd, w, w, w, w) }, ENOTDIR},
		{"path_filestat_set_times", func(s *System, fd uint32) Errno { return s.PathFilestatSetTimes(mem, fd, w, w, w, w, w, w) }, ENOTDIR},
		{"path_link", func(s *System, fd uint32) Errno { return s.PathLink(mem, fd, w, w, w, w, w, w) }, ENOTDIR},
		{"path_open", func(s *System, fd uint32) Errno { return s.PathOpen(mem, fd, w, w, w, w, w, w, w, w) }, ENOTDIR},
		{"path_readlink", func(s *System, fd uint32) Errno { return s.PathReadlink(mem, fd, w, w, w, w, w) }, ENOTDIR},
		{"path_remove_directory", func(s *System, fd uint32) Errno { return s.PathRemoveDirectory(mem, fd, w, w) }, ENOTDIR},
		{"path_rename", func(s *System, fd uint32) Errno { return s.PathRename(mem, fd, w, w, w, w, w) }, ENOTDIR},
		{"path_symlink", func(s *System, fd uint32) Errno { return s.PathSymlink(mem, w, w, fd, w, w) }, ENOTDIR},
		{"path_unlink_file", func(s *System, fd uint32) Errno { return s.PathUnlinkFile(mem, fd, w, w) }, ENOTDIR},
		{"sock_accept", func(s *System, fd uint32) Errno { return s.SockAccept(mem, fd, w, w) }, ENOTSOCK},
		{"sock_recv", func(s *System, fd uint32) Errno { return s.SockRecv(mem, fd, w, w, w, w, w) }, ENOTSOCK},
		{"sock_send", func(s *System, fd uint32) Errno { return s.SockSend(mem, fd, w, w, w, w) }, ENOTSOCK},
		{"sock_shutdown", func(s *System, fd uint32) Errno { return s.SockShutdown(fd, 3) }, ENOTSOCK},
	} {
		s := fixed()
		for fd := range uint32(3) {
			if got := c.call(s, fd); got != c.want {
				t.Errorf("%s on descriptor %d: %v, want %v", c.name, fd, got, c.want)
			}
		}
		for _, fd := range []uint32{3, 4, 1 << 31, w} {
			if got := c.call(s, fd); got != EBADF {
				t.Errorf("%s on descriptor %d: %v, want EBADF", c.name, fd, got)
			}
		}
	}
	if string(mem) != string(paper(64)) {
		t.Error("memory changed")
	}
}
