package artefact

import "errors"

// What is wrong with an artefact. The errors of Verify wrap one of these unless reading or writing itself failed. After
// ErrFormat, ErrSignature and ErrMismatch nothing was written; after ErrCorrupt some of a payload was, which must be
// thrown away.
var (
	// ErrFormat: the bytes are no artefact, of a format version that this program does not know, or end within the header.
	ErrFormat = errors.New("not an artefact")
	// ErrSignature: the header was not signed with the key that is trusted, or was changed since.
	ErrSignature = errors.New("artefact signature is not valid")
	// ErrMismatch: a genuine artefact of another module, engine version or CPU feature set; the message says which.
	ErrMismatch = errors.New("artefact is for something else")
	// ErrCorrupt: the payload is shorter, longer or other than what was signed.
	ErrCorrupt = errors.New("artefact is damaged")
)
