package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// wasiFile returns the rows for regular files and directories.
func wasiFile() []Row {
	return []Row{
		{
			Module: preview1, Name: "fd_advise", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"offset", I64}, {"len", I64}, {"advice", I32}},
			Results:    []ValType{I32},
			Support:    Ignored,
			Limitation: "files are in memory, or in a cache on the machine; stdio is ESPIPE",
			Doc:        "Tell how a range of a file will be used.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdAdvise(a.U32(0), a.U64(1), a.U64(2), a.U32(3))), nil
			},
		},
		{
			Module: preview1, Name: "fd_allocate", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"offset", I64}, {"len", I64}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Make sure that a range of a file has space; EDQUOT beyond the limit of the call.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdAllocate(a.U32(0), a.U64(1), a.U64(2))), nil
			},
		},
		{
			Module: preview1, Name: "fd_datasync", Group: groupWASI,
			Params:     []Param{{"fd", I32}},
			Results:    []ValType{I32},
			Support:    Ignored,
			Limitation: "a call's files end with it, there is no device; stdio is EINVAL",
			Doc:        "Make the data of a file safe on its device.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdDatasync(a.U32(0))), nil
			},
		},
		{
			Module: preview1, Name: "fd_sync", Group: groupWASI,
			Params:     []Param{{"fd", I32}},
			Results:    []ValType{I32},
			Support:    Ignored,
			Limitation: "a call's files end with it, there is no device; stdio is EINVAL",
			Doc:        "Make the data and attributes of a file safe on its device.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdSync(a.U32(0))), nil
			},
		},
		{
			Module: preview1, Name: "fd_filestat_set_size", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"size", I64}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Set the size of a file.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFilestatSetSize(a.U32(0), a.U64(1))), nil
			},
		},
		{
			Module: preview1, Name: "fd_filestat_set_times", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"atim", I64}, {"mtim", I64}, {"fst_flags", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Set the times of a file.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdFilestatSetTimes(a.U32(0), a.U64(1), a.U64(2), a.U32(3))), nil
			},
		},
		{
			Module: preview1, Name: "fd_pread", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"iovs", I32}, {"iovs_len", I32}, {"offset", I64}, {"nread", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "at most 1024 buffers and less than 4 GiB in all",
			Doc:        "Read from a file at an offset.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdPread(mem, a.U32(0), a.U32(1), a.U32(2), a.U64(3), a.U32(4))), nil
			},
		},
		{
			Module: preview1, Name: "fd_pwrite", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"iovs", I32}, {"iovs_len", I32}, {"offset", I64}, {"nwritten", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "at most 1024 buffers and less than 4 GiB in all",
			Doc:        "Write to a file at an offset.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdPwrite(mem, a.U32(0), a.U32(1), a.U32(2), a.U64(3), a.U32(4))), nil
			},
		},
		{
			Module: preview1, Name: "fd_readdir", Group: groupWASI,
			Params:  []Param{{"fd", I32}, {"buf", I32}, {"buf_len", I32}, {"cookie", I64}, {"bufused", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Read the entries of a directory; a cookie stays valid whatever changes in it.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.FdReaddir(mem, a.U32(0), a.U32(1), a.U32(2), a.U64(3), a.U32(4))), nil
			},
		},
	}
}
