package wasmbin

import (
	"fmt"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// FormatError says why bytes are no module that Shoal can read. errors.As turns it into a *faas.Error with the code
// invalid_module and the same text.
type FormatError struct {
	Section string // as the specification calls it: "code"; "" when the fault is the module's as a whole
	Offset  int    // in bytes from the start of the module
	Reason  string // what is wrong, and after ": " how so
}

// Error returns the reason with its place, as "truncated in section code at byte 1234: needs 12 more bytes".
func (e *FormatError) Error() string {
	if e.Section == "" && e.Offset == 0 {
		return e.Reason
	}
	what, how, _ := strings.Cut(e.Reason, ": ")
	var s strings.Builder
	s.WriteString(what)
	if e.Section != "" {
		s.WriteString(" in section " + e.Section)
	}
	fmt.Fprintf(&s, " at byte %d", e.Offset)
	if how != "" {
		s.WriteString(": " + how)
	}
	return s.String()
}

// As makes e an invalid_module *faas.Error for errors.As, faas.CodeOf and faas.AsError.
func (e *FormatError) As(target any) bool {
	p, ok := target.(**faas.Error)
	if ok {
		*p = faas.Errorf(faas.InvalidModule, "%s", e.Error())
	}
	return ok
}

// note adds words to the first part of the reason.
func (e *FormatError) note(words string) {
	what, how, found := strings.Cut(e.Reason, ": ")
	e.Reason = what + " " + words
	if found {
		e.Reason += ": " + how
	}
}
