package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// noSocket is why functions for sockets can't work yet.
const noSocket = "EBADF, or ENOTSOCK on stdio: there are no sockets yet"

// wasiSock returns the rows for sockets.
func wasiSock() []Row {
	return []Row{
		{
			Module: preview1, Name: "sock_accept", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"flags", I32}, {"connection", I32}},
			Results:    []ValType{I32},
			Support:    Errno,
			Limitation: noSocket,
			Doc:        "Take a connection that came in.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.SockAccept(mem, a.U32(0), a.U32(1), a.U32(2))), nil
			},
		},
		{
			Module: preview1, Name: "sock_recv", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"ri_data", I32}, {"ri_data_len", I32}, {"ri_flags", I32}, {"ro_datalen", I32}, {"ro_flags", I32}},
			Results:    []ValType{I32},
			Support:    Errno,
			Limitation: noSocket,
			Doc:        "Receive a message.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.SockRecv(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4), a.U32(5))), nil
			},
		},
		{
			Module: preview1, Name: "sock_send", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"si_data", I32}, {"si_data_len", I32}, {"si_flags", I32}, {"so_datalen", I32}},
			Results:    []ValType{I32},
			Support:    Errno,
			Limitation: noSocket,
			Doc:        "Send a message.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.SockSend(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3), a.U32(4))), nil
			},
		},
		{
			Module: preview1, Name: "sock_shutdown", Group: groupWASI,
			Params:     []Param{{"fd", I32}, {"how", I32}},
			Results:    []ValType{I32},
			Support:    Errno,
			Limitation: noSocket,
			Doc:        "End a direction of a connection.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.SockShutdown(a.U32(0), a.U32(1))), nil
			},
		},
	}
}
