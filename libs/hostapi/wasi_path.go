package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// wasiPath returns the rows that resolve a path.
func wasiPath() []Row {
	return []Row{
		{
			Module: preview1, Name: "path_create_directory", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"path", I32}, {"path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Make a directory.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathCreateDirectory(mem, a.U32(0), a.U32(1), a.U32(2))), nil
			},
		},
		{
			Module: preview1, Name: "path_filestat_get", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"flags", I32}, {"path", I32}, {"path_len", I32}, {"buf", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the attributes of a file.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathFilestatGet(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4))), nil
			},
		},
		{
			Module: preview1, Name: "path_filestat_set_times", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"flags", I32}, {"path", I32}, {"path_len", I32}, {"atim", I64}, {"mtim", I64}, {"fst_flags", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Set the times of a file.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathFilestatSetTimes(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U64(4), a.U64(5), a.U32(6))), nil
			},
		},
		{
			Module: preview1, Name: "path_link", Group: groupWASI,
			Params:  []Param{{"old_fd", I32}, {"old_flags", I32}, {"old_path", I32}, {"old_path_len", I32}, {"new_fd", I32}, {"new_path", I32}, {"new_path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Make a hard link.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathLink(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4), a.U32(5), a.U32(6))), nil
			},
		},
		{
			Module: preview1, Name: "path_open", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"dirflags", I32}, {"path", I32}, {"path_len", I32}, {"oflags", I32}, {"fs_rights_base", I64}, {"fs_rights_inheriting", I64}, {"fdflags", I32}, {"opened_fd", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Open a file or a directory.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathOpen(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4), a.U64(5), a.U64(6), a.U32(7), a.U32(8))), nil
			},
		},
		{
			Module: preview1, Name: "path_readlink", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"path", I32}, {"path_len", I32}, {"buf", I32}, {"buf_len", I32}, {"bufused", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Read the target of a symbolic link.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathReadlink(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4), a.U32(5))), nil
			},
		},
		{
			Module: preview1, Name: "path_remove_directory", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"path", I32}, {"path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Remove an empty directory.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathRemoveDirectory(mem, a.U32(0), a.U32(1), a.U32(2))), nil
			},
		},
		{
			Module: preview1, Name: "path_rename", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"old_path", I32}, {"old_path_len", I32}, {"new_fd", I32}, {"new_path", I32}, {"new_path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Move a file or directory.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathRename(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4), a.U32(5))), nil
			},
		},
		{
			Module: preview1, Name: "path_symlink", Group: groupWASI,
			Params:     []Param{{"old_path", I32}, {"old_path_len", I32}, {"fd", I32}, {"new_path", I32}, {"new_path_len", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "an absolute target is ENOTCAPABLE, as it leads out of every directory",
			Doc:        "Make a symbolic link.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathSymlink(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4))), nil
			},
		},
		{
			Module: preview1, Name: "path_unlink_file", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"path", I32}, {"path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Remove a file.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.PathUnlinkFile(mem, a.U32(0), a.U32(1), a.U32(2))), nil
			},
		},
	}
}
