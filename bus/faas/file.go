package faas

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// File is a shared file of a tenant as the index has it: every function of the tenant reads it under "/".
type File struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`     // in bytes
	Digest   string    `json:"digest"`   // sha256 of the contents, in 64 hexadecimal digits
	Modified time.Time `json:"modified"` // when it was put
}

// What a shared file's path may be, in bytes, and what files a tenant may have unless its gateway is told otherwise.
const (
	MaxFilePath      = 512
	MaxFilePart      = 255 // between two "/"
	MaxFile          = 1 * GiB
	DefaultFiles     = 10_000 // of a tenant
	MaxFiles         = 1_000_000
	DefaultFileBytes = 10 * GiB // of all files of a tenant together
)

// CheckFilePath reports, as a bad_request Error, why path can't be a shared file's: it is "/"-separated, without a "/" at
// either end, without empty parts, "." and "..", and without control characters. It is taken as it is: two paths are equal
// when their bytes are.
func CheckFilePath(path string) error {
	if path == "" {
		return Errorf(BadRequest, "the file's path is empty")
	}
	if len(path) > MaxFilePath {
		return Errorf(BadRequest, "file path of %d bytes: at most %d are allowed", len(path), MaxFilePath)
	}
	if !utf8.ValidString(path) {
		return Errorf(BadRequest, "file path %q is not UTF-8", path)
	}
	if i := strings.IndexFunc(path, unicode.IsControl); i >= 0 {
		return Errorf(BadRequest, "file path %q has a control character at byte %d", path, i+1)
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "":
			return Errorf(BadRequest, "file path %q has an empty part: no \"/\" at either end, and no two in a row", path)
		case part == "." || part == "..":
			return Errorf(BadRequest, "file path %q has the part %q: write the path without", path, part)
		case len(part) > MaxFilePart:
			return Errorf(BadRequest, "file path %q has a part of %d bytes: at most %d are allowed", path, len(part), MaxFilePart)
		}
	}
	return nil
}
