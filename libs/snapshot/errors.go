package snapshot

import "errors"

// What is wrong with stored bytes. Errors of the reader, the writer or the callback that the caller gave are passed on
// and wrap neither.
var (
	// ErrFormat: the bytes are no manifest, of a format version that this program does not know, damaged, or describe an
	// image that cannot be. Nothing was done with them.
	ErrFormat = errors.New("not a Proto-Faaslet manifest")
	// ErrCorrupt: the bytes are not those of the pack that was asked for, or it does not hold what its PackRef says. What
	// was already handed out must be thrown away.
	ErrCorrupt = errors.New("pack is damaged")
)
