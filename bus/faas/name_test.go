package faas

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("x", MaxNameLen)
	for _, c := range []struct {
		in   string
		want Name
		err  string // what the message must have; "" for no error
	}{
		{in: "demo/echo", want: Name{"demo", "echo"}},
		{in: "0/_", err: "function name"},
		{in: "a-b_c/0-_", want: Name{"a-b_c", "0-_"}},
		{in: long + "/" + long, want: Name{long, long}},
		{in: long + "x/a", err: "64 characters"},
		{in: "demo", err: "no tenant"},
		{in: "", err: "no tenant"},
		{in: "/echo", err: "tenant name is empty"},
		{in: "demo/", err: "function name is empty"},
		{in: "demo/echo/1", err: "character 5"},
		{in: "Demo/echo", err: "character 1"},
		{in: "demo/ec.ho", err: "character 3"},
		{in: "demo/écho", err: "character 1"},
		{in: "demo/a>", err: "character 2"},
	} {
		got, err := ParseName(c.in)
		if c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
		if c.err != "" && (CodeOf(err) != BadRequest || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: error %v, want one with %q", c.in, err, c.err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"demo/echo", "a/b", "", "/", "a/b/c", "a-/_b", strings.Repeat("a", 64) + "/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if CodeOf(err) != BadRequest || len(err.Error()) > 1024 {
				t.Errorf("error %v", err)
			}
			return
		}
		if n.String() != s || strings.ContainsAny(s, ".*> \t\r\n") {
			t.Errorf("%q parsed as %q", s, n)
		}
	})
}

func TestWorkerID(t *testing.T) {
	now := time.Unix(1_780_000_000, 0)
	id := NewWorkerID("alpha-1", now)
	if err := CheckWorkerID(id); err != nil || !strings.HasPrefix(string(id), "alpha-1-") {
		t.Errorf("%q: %v", id, err)
	}
	var ids []WorkerID
	for i := range 300 { // 10 ms apart: a worker comes back within the second
		ids = append(ids, NewWorkerID("w", now.Add(time.Duration(i)*10*time.Millisecond)))
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by age")
	}
	for _, bad := range []WorkerID{
		"", "alpha", "alpha-", "alpha-0191e7c2", "-0191e7c20000", "alpha-0191e7c2000g", "Alpha-0191e7c20000", "a.b-0191e7c20000",
	} {
		if err := CheckWorkerID(bad); CodeOf(err) != BadRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestVersion(t *testing.T) {
	v := VersionOf([]byte("abc"))
	if v != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || v.Validate() != nil || v.Short() != "ba7816bf8f01" {
		t.Errorf("%q, %v, %q", v, v.Validate(), v.Short())
	}
	for _, bad := range []Version{"", "ba78", v + "0", "B" + v[1:], v[:63] + "g"} {
		if CodeOf(bad.Validate()) != BadRequest {
			t.Errorf("%q: %v", bad, bad.Validate())
		}
	}
	if Version("ab").Short() != "ab" {
		t.Error("a short version has no short form")
	}
}

func TestErrors(t *testing.T) {
	e := Errorf(NotFound, "no function %s", "a/b")
	if e.Error() != "not_found: no function a/b" || !errors.Is(e, &Error{Code: NotFound}) || errors.Is(e, &Error{Code: Conflict}) ||
		errors.Is(e, &Error{Code: NotFound, Message: "another"}) || errors.Is(e, errors.New("x")) {
		t.Errorf("%v is not what it is", e)
	}
	wrapped := errors.Join(errors.New("first"), e)
	plain := errors.New("plain")
	if CodeOf(wrapped) != NotFound || AsError(wrapped) != e || CodeOf(plain) != Internal || AsError(plain).Message != "plain" ||
		CodeOf(nil) != "" || AsError(nil) != nil {
		t.Error("codes get lost")
	}
	if got := Errorf(NoCapacity, "full.").Hint("wait").Error(); got != "no_capacity: full (wait)" {
		t.Errorf("hint: %q", got)
	}
	if (&Error{Code: Internal}).Error() != "internal" {
		t.Error("an error without a message")
	}
}

func TestCodes(t *testing.T) {
	for _, c := range Codes() {
		if !c.Known() || c.Status() < 400 || c.Status() > 599 {
			t.Errorf("%s: status %d", c, c.Status())
		}
	}
	if c := Code("later"); c.Known() || c.Status() != 500 {
		t.Error("an unknown code is known")
	}
}
