package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// wasiStdio returns the rows for reading and writing.
func wasiStdio() []Row {
	return []Row{
		{
			Module: preview1, Name: "fd_close", Group: groupWASI,
			Params:  []Param{{"fd", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Close a descriptor.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdClose(a.U32(0))), nil
			},
		},
		{
			Module: preview1, Name: "fd_read", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"iovs", I32}, {"iovs_len", I32}, {"nread", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "at most 1024 buffers and less than 4 GiB in all",
			Doc:        "Read into a list of buffers; 0 bytes at the end.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdRead(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3))), nil
			},
		},
		{
			Module: preview1, Name: "fd_write", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"iovs", I32}, {"iovs_len", I32}, {"nwritten", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "at most 1024 buffers and less than 4 GiB in all; EFBIG when stdout may be the output and would pass its limit",
			Doc:        "Write a list of buffers; to stdout and stderr whole or not at all.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdWrite(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3))), nil
			},
		},
		{
			Module: preview1, Name: "fd_seek", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"offset", I64}, {"whence", I32}, {"newoffset", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Move the offset of a file; stdio has none, which is ESPIPE.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdSeek(mem, a.U32(0), int64(a.U64(1)), a.U32(2), a.U32(3))), nil
			},
		},
		{
			Module: preview1, Name: "fd_tell", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"offset", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Tell the offset of a file; stdio has none, which is ESPIPE.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdTell(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_renumber", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"to", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Move a descriptor to the number of another, which is closed.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdRenumber(a.U32(0), a.U32(1))), nil
			},
		},
	}
}

// wasiStat returns the rows for what a descriptor is.
func wasiStat() []Row {
	return []Row{
		{
			Module: preview1, Name: "fd_fdstat_get", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"stat", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the type, flags and rights of a descriptor; stdio is of type unknown, as a pipe.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFdstatGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_fdstat_set_flags", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"flags", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "append works on files; no other flag changes anything, as nothing blocks and there is no device to synchronise with",
			Doc:        "Set the flags of a descriptor.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFdstatSetFlags(a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_fdstat_set_rights", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"fs_rights_base", I64}, {"fs_rights_inheriting", I64}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Give up rights of a descriptor.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFdstatSetRights(a.U32(0), a.U64(1), a.U64(2))), nil
			},
		},
		{
			Module: preview1, Name: "fd_filestat_get", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"buf", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the attributes of an open file; of stdio everything is 0 but the inode and the number of links.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFilestatGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_prestat_get", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"prestat", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Describe a preopened directory; descriptor 3 is the root.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdPrestatGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_prestat_dir_name", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"path", I32}, {"path_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the name of a preopened directory, \"/\".",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdPrestatDirName(mem, a.U32(0), a.U32(1), a.U32(2))), nil
			},
		},
	}
}
