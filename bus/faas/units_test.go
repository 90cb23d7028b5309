package faas

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Size
		out  string
	}{
		{"0", 0, "0B"},
		{"512", 512, "512B"},
		{"512B", 512, "512B"},
		{"64KiB", 64 * KiB, "64KiB"},
		{"1024KiB", MiB, "1MiB"},
		{"128MiB", 128 * MiB, "128MiB"},
		{"4GiB", 4 * GiB, "4GiB"},
		{"1025", 1025, "1025B"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807B"},
	} {
		got, err := ParseSize(c.in)
		if err != nil || got != c.want || got.String() != c.out {
			t.Errorf("%q: %v, %v, want %v", c.in, got, err, c.out)
		}
	}
	for _, bad := range []string{"", "B", "MiB", "-1", "1.5GiB", "1 MiB", "1MB", "1mib", "9223372036854775808", "8589934592GiB", "1MiBMiB"} {
		if _, err := ParseSize(bad); CodeOf(err) != BadRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "512B", "64KiB", "128MiB", "4GiB", "-1", "+1", "9223372036854775807", "8589934592GiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseSize(s)
		if err != nil {
			if CodeOf(err) != BadRequest || len(err.Error()) > 1024 {
				t.Errorf("error %v", err)
			}
			return
		}
		if v < 0 {
			t.Errorf("%q is %d bytes", s, v)
		}
		if again, err := ParseSize(v.String()); err != nil || again != v {
			t.Errorf("%q is %v, which is %v, %v", s, v, again, err)
		}
	})
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{30 * time.Second, "30s"},
		{15 * time.Minute, "15m"},
		{10 * time.Minute, "10m"},
		{2 * time.Hour, "2h"},
		{90 * time.Minute, "1h30m"},
		{10 * time.Hour, "10h"},
		{61 * time.Second, "1m1s"},
		{1500 * time.Millisecond, "1.5s"},
	} {
		if got := Duration(c.d).String(); got != c.want {
			t.Errorf("%v: %q, want %q", c.d, got, c.want)
		}
		var back Duration
		if err := back.UnmarshalText([]byte(c.want)); err != nil || time.Duration(back) != c.d {
			t.Errorf("%q: %v, %v", c.want, back, err)
		}
	}
	for _, bad := range []string{"", "30", "-1s", "soon"} {
		if err := new(Duration).UnmarshalText([]byte(bad)); CodeOf(err) != BadRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCallID(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	id := NewCallID()
	after := time.Now()
	if at := id.Time(); at.Before(before) || at.After(after) {
		t.Errorf("made at %v, says %v", before, at)
	}
	if id[6]>>4 != 7 || id[8]>>6 != 2 || id.IsZero() || !(CallID{}).IsZero() {
		t.Errorf("%v is no UUIDv7", id)
	}
	if got, err := ParseCallID(id.String()); err != nil || got != id {
		t.Errorf("%v parses as %v, %v", id, got, err)
	}
	b, err := json.Marshal(id)
	if want := `"` + id.String() + `"`; err != nil || string(b) != want {
		t.Errorf("JSON %s, %v, want %s", b, err, want)
	}
	if a, b := NewCallID(), NewCallID(); a == b {
		t.Error("two ids are one")
	}
}

func FuzzParseCallID(f *testing.F) {
	f.Add("01890a5d-ac96-774b-bcce-b302099a8057")
	f.Add("01890A5D-AC96-774B-BCCE-B302099A8057")
	f.Add("01890a5dac96774bbcceb302099a8057")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseCallID(s)
		if err != nil {
			if CodeOf(err) != BadRequest || !id.IsZero() || len(err.Error()) > 1024 {
				t.Errorf("%v, error %v", id, err)
			}
			return
		}
		if again, err := ParseCallID(id.String()); err != nil || again != id {
			t.Errorf("%q is %v, which is %v, %v", s, id, again, err)
		}
	})
}

func TestSlotsRoom(t *testing.T) {
	for _, c := range []struct {
		s    Slots
		want int
	}{{Slots{Total: 4}, 8}, {Slots{Total: 4, Queue: 3}, 3}, {Slots{Total: 4, Queue: -1}, 0}} {
		if got := c.s.Room(); got != c.want {
			t.Errorf("%+v: room for %d, want %d", c.s, got, c.want)
		}
	}
}

func TestLimitsSayWhatTheyAre(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range Limits() {
		if l.Name == "" || l.Default == "" || l.What == "" || seen[l.Name] {
			t.Errorf("%+v", l)
		}
		seen[l.Name] = true
	}
}
