package wasi

import "github.com/shoal-run/shoal/libs/guest"

// Functions for sockets. A guest has none so far, so that each answers what POSIX answers for a descriptor that is not a
// socket.

// SockAccept takes a connection that came in.
//
// Parameters
//   - fd: the listening socket
//   - flags: of the new descriptor, Flag… or-ed together
//   - connection: where the new descriptor would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSOCK: always, else
//
// Nothing in memory changes. It is accept in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_accept
func (s *System) SockAccept(mem guest.Memory, fd, flags, connection uint32) Errno {
	return s.only(fd, ENOTSOCK)
}

// SockRecv receives a message.
//
// Parameters
//   - fd: the socket
//   - riData: where the list of buffers is, as in FdRead
//   - riDataLen: how many buffers
//   - riFlags: 1 peek, 2 wait until the buffers are full
//   - roDataLen: where the number of bytes would be written, 4 bytes
//   - roFlags: where the flags of the message would be written, 2 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSOCK: always, else
//
// Nothing in memory changes. It is recv in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_recv
func (s *System) SockRecv(mem guest.Memory, fd, riData, riDataLen, riFlags, roDataLen, roFlags uint32) Errno {
	return s.only(fd, ENOTSOCK)
}

// SockSend sends a message.
//
// Parameters
//   - fd: the socket
//   - siData: where the list of buffers is, as in FdWrite
//   - siDataLen: how many buffers
//   - siFlags: 0
//   - soDataLen: where the number of bytes would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSOCK: always, else
//
// Nothing in memory changes. It is send in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_send
func (s *System) SockSend(mem guest.Memory, fd, siData, siDataLen, siFlags, soDataLen uint32) Errno {
	return s.only(fd, ENOTSOCK)
}

// SockShutdown ends a direction of a connection.
//
// Parameters
//   - fd: the socket
//   - how: 1 receiving, 2 sending, 3 both
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSOCK: always, else
//
// Nothing in memory changes. It is shutdown in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_shutdown
func (s *System) SockShutdown(fd, how uint32) Errno { return s.only(fd, ENOTSOCK) }
