package wasi

import "strconv"

// Errno is the answer of a preview1 function: 0 for success, else what went wrong.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno
type Errno uint16

// The errnos, in the order of the specification: their values are the ABI.
const (
	ESUCCESS        Errno = iota // no error
	E2BIG                        // argument list too long
	EACCES                       // permission denied
	EADDRINUSE                   // address in use
	EADDRNOTAVAIL                // address not available
	EAFNOSUPPORT                 // address family not supported
	EAGAIN                       // resource unavailable, or operation would block
	EALREADY                     // connection already in progress
	EBADF                        // bad file descriptor
	EBADMSG                      // bad message
	EBUSY                        // device or resource busy
	ECANCELED                    // operation cancelled
	ECHILD                       // no child processes
	ECONNABORTED                 // connection aborted
	ECONNREFUSED                 // connection refused
	ECONNRESET                   // connection reset
	EDEADLK                      // resource deadlock would occur
	EDESTADDRREQ                 // destination address required
	EDOM                         // argument out of the function's domain
	EDQUOT                       // quota reached
	EEXIST                       // file exists
	EFAULT                       // bad address
	EFBIG                        // file too large
	EHOSTUNREACH                 // host is unreachable
	EIDRM                        // identifier removed
	EILSEQ                       // illegal byte sequence
	EINPROGRESS                  // operation in progress
	EINTR                        // interrupted function
	EINVAL                       // invalid argument
	EIO                          // input/output error
	EISCONN                      // socket is connected
	EISDIR                       // is a directory
	ELOOP                        // too many levels of symbolic links
	EMFILE                       // file descriptor value too large
	EMLINK                       // too many links
	EMSGSIZE                     // message too large
	EMULTIHOP                    // path has more than one hop
	ENAMETOOLONG                 // file name too long
	ENETDOWN                     // network is down
	ENETRESET                    // connection aborted by the network
	ENETUNREACH                  // network unreachable
	ENFILE                       // too many files open in the system
	ENOBUFS                      // no buffer space
	ENODEV                       // no such device
	ENOENT                       // no such file or directory
	ENOEXEC                      // executable file format error
	ENOLCK                       // no locks available
	ENOLINK                      // link was severed
	ENOMEM                       // not enough space
	ENOMSG                       // no message of the desired type
	ENOPROTOOPT                  // protocol not available
	ENOSPC                       // no space left on device
	ENOSYS                       // function not supported
	ENOTCONN                     // socket is not connected
	ENOTDIR                      // not a directory
	ENOTEMPTY                    // directory not empty
	ENOTRECOVERABLE              // state not recoverable
	ENOTSOCK                     // not a socket
	ENOTSUP                      // not supported
	ENOTTY                       // inappropriate I/O control operation
	ENXIO                        // no such device or address
	EOVERFLOW                    // value too large for its type
	EOWNERDEAD                   // previous owner died
	EPERM                        // operation not permitted
	EPIPE                        // broken pipe
	EPROTO                       // protocol error
	EPROTONOSUPPORT              // protocol not supported
	EPROTOTYPE                   // wrong protocol type for the socket
	ERANGE                       // result too large
	EROFS                        // read-only file system
	ESPIPE                       // invalid seek
	ESRCH                        // no such process
	ESTALE                       // reliable file handle is stale
	ETIMEDOUT                    // connection timed out
	ETXTBSY                      // text file busy
	EXDEV                        // link crosses file systems
	ENOTCAPABLE                  // capabilities insufficient
)

var errnoNames = [...]string{
	ESUCCESS:        "ESUCCESS",
	E2BIG:           "E2BIG",
	EACCES:          "EACCES",
	EADDRINUSE:      "EADDRINUSE",
	EADDRNOTAVAIL:   "EADDRNOTAVAIL",
	EAFNOSUPPORT:    "EAFNOSUPPORT",
	EAGAIN:          "EAGAIN",
	EALREADY:        "EALREADY",
	EBADF:           "EBADF",
	EBADMSG:         "EBADMSG",
	EBUSY:           "EBUSY",
	ECANCELED:       "ECANCELED",
	ECHILD:          "ECHILD",
	ECONNABORTED:    "ECONNABORTED",
	ECONNREFUSED:    "ECONNREFUSED",
	ECONNRESET:      "ECONNRESET",
	EDEADLK:         "EDEADLK",
	EDESTADDRREQ:    "EDESTADDRREQ",
	EDOM:            "EDOM",
	EDQUOT:          "EDQUOT",
	EEXIST:          "EEXIST",
	EFAULT:          "EFAULT",
	EFBIG:           "EFBIG",
	EHOSTUNREACH:    "EHOSTUNREACH",
	EIDRM:           "EIDRM",
	EILSEQ:          "EILSEQ",
	EINPROGRESS:     "EINPROGRESS",
	EINTR:           "EINTR",
	EINVAL:          "EINVAL",
	EIO:             "EIO",
	EISCONN:         "EISCONN",
	EISDIR:          "EISDIR",
	ELOOP:           "ELOOP",
	EMFILE:          "EMFILE",
	EMLINK:          "EMLINK",
	EMSGSIZE:        "EMSGSIZE",
	EMULTIHOP:       "EMULTIHOP",
	ENAMETOOLONG:    "ENAMETOOLONG",
	ENETDOWN:        "ENETDOWN",
	ENETRESET:       "ENETRESET",
	ENETUNREACH:     "ENETUNREACH",
	ENFILE:          "ENFILE",
	ENOBUFS:         "ENOBUFS",
	ENODEV:          "ENODEV",
	ENOENT:          "ENOENT",
	ENOEXEC:         "ENOEXEC",
	ENOLCK:          "ENOLCK",
	ENOLINK:         "ENOLINK",
	ENOMEM:          "ENOMEM",
	ENOMSG:          "ENOMSG",
	ENOPROTOOPT:     "ENOPROTOOPT",
	ENOSPC:          "ENOSPC",
	ENOSYS:          "ENOSYS",
	ENOTCONN:        "ENOTCONN",
	ENOTDIR:         "ENOTDIR",
	ENOTEMPTY:       "ENOTEMPTY",
	ENOTRECOVERABLE: "ENOTRECOVERABLE",
	ENOTSOCK:        "ENOTSOCK",
	ENOTSUP:         "ENOTSUP",
	ENOTTY:          "ENOTTY",
	ENXIO:           "ENXIO",
	EOVERFLOW:       "EOVERFLOW",
	EOWNERDEAD:      "EOWNERDEAD",
	EPERM:           "EPERM",
	EPIPE:           "EPIPE",
	EPROTO:          "EPROTO",
	EPROTONOSUPPORT: "EPROTONOSUPPORT",
	EPROTOTYPE:      "EPROTOTYPE",
	ERANGE:          "ERANGE",
	EROFS:           "EROFS",
	ESPIPE:          "ESPIPE",
	ESRCH:           "ESRCH",
	ESTALE:          "ESTALE",
	ETIMEDOUT:       "ETIMEDOUT",
	ETXTBSY:         "ETXTBSY",
	EXDEV:           "EXDEV",
	ENOTCAPABLE:     "ENOTCAPABLE",
}

// String returns the POSIX name, as "EBADF", or "errno 99" for a value that the specification does not have.
func (e Errno) String() string {
	if int(e) < len(errnoNames) {
		return errnoNames[e]
	}
	return "errno " + strconv.Itoa(int(e))
}
