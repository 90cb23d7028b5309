package vfs

// Errno is what an operation answers: OK, or why not. The names are those of POSIX, and of preview1.
type Errno uint8

// The errnos of a file system.
const (
	OK           Errno = iota
	EBUSY              // "." or "..", which can't be moved
	EDQUOT             // the private layer has no bytes left
	EEXIST             // there is something already
	EFBIG              // a file would pass MaxFile
	EILSEQ             // a path is not UTF-8
	EINTR              // the context ended
	EINVAL             // an argument makes no sense, or a directory would come to lie in itself
	EIO                // a shared file can't be fetched or read
	EISDIR             // a directory, where a file is needed
	ELOOP              // more than MaxLinks symbolic links, or one that must not be followed
	ENAMETOOLONG       // a name passes MaxName bytes, or a path MaxPath
	ENOENT             // there is nothing
	ENOSPC             // the private layer has no names left
	ENOTCAPABLE        // a path leads out of the directory it starts in
	ENOTDIR            // no directory, where one is needed
	ENOTEMPTY          // a directory with something in it
	EPERM              // a hard link to a directory
)

var errnoNames = [...]string{
	OK: "OK", EBUSY: "EBUSY", EDQUOT: "EDQUOT", EEXIST: "EEXIST", EFBIG: "EFBIG", EILSEQ: "EILSEQ", EINTR: "EINTR", EINVAL: "EINVAL",
	EIO: "EIO", EISDIR: "EISDIR", ELOOP: "ELOOP", ENAMETOOLONG: "ENAMETOOLONG", ENOENT: "ENOENT", ENOSPC: "ENOSPC",
	ENOTCAPABLE: "ENOTCAPABLE", ENOTDIR: "ENOTDIR", ENOTEMPTY: "ENOTEMPTY", EPERM: "EPERM",
}

// String returns the POSIX name, as "ENOENT".
func (e Errno) String() string {
	if int(e) < len(errnoNames) {
		return errnoNames[e]
	}
	return "unknown errno"
}
