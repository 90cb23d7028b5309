package faas

import (
	"fmt"
	"strings"
)

// MaxNameLen is the longest tenant, function or worker name, in bytes.
const MaxNameLen = 63

// Name identifies a function: its tenant and its name within the tenant.
type Name struct {
	Tenant   string `json:"tenant"`
	Function string `json:"function"`
}

// String returns "tenant/function".
func (n Name) String() string { return n.Tenant + "/" + n.Function }

// Validate reports the first part of n that is not a legal name, as a bad_request Error.
func (n Name) Validate() error {
	if err := CheckName("tenant", n.Tenant); err != nil {
		return err
	}
	return CheckName("function", n.Function)
}

// MarshalText encodes n as "tenant/function".
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText decodes what MarshalText wrote; it fails as ParseName does.
func (n *Name) UnmarshalText(b []byte) error {
	p, err := ParseName(string(b))
	if err != nil {
		return err
	}
	*n = p
	return nil
}

// ParseName parses "tenant/function". A malformed name is a bad_request Error that says which part is wrong.
func ParseName(s string) (Name, error) {
	tenant, function, ok := strings.Cut(s, "/")
	if !ok {
		return Name{}, Errorf(BadRequest, "function %q has no tenant: write tenant/function", clip([]byte(s)))
	}
	n := Name{Tenant: tenant, Function: function}
	return n, n.Validate()
}

// CheckName reports whether s is a legal tenant, function or worker name: [a-z0-9][a-z0-9_-]{0,62}.
// what is the noun that the error uses for it.
func CheckName(what, s string) error {
	if s == "" {
		return Errorf(BadRequest, "%s name is empty", what)
	}
	if len(s) > MaxNameLen {
		return Errorf(BadRequest, "%s name has %d characters, more than %d", what, len(s), MaxNameLen)
	}
	for i := 0; i < len(s); i++ {
		if !nameByte(s[i], i == 0) {
			return Errorf(BadRequest, "%s name %s: character %d must be %s", what, quote(s), i+1, allowed(i == 0))
		}
	}
	return nil
}

func nameByte(c byte, first bool) bool {
	if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
		return true
	}
	return !first && (c == '_' || c == '-')
}

func allowed(first bool) string {
	if first {
		return "a-z or 0-9"
	}
	return "a-z, 0-9, _ or -"
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
