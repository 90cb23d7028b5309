package objectstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/objectstore"
)

// TestListOfMany has more objects than fit into one delivery, of which some were put twice and some are deleted.
func TestListOfMany(t *testing.T) {
	s := open(t, server(t), objectstore.Options{})
	if infos, err := s.List(t.Context(), ""); err != nil || len(infos) != 0 {
		t.Errorf("of nothing: %v, %v", infos, err)
	}
	const n = 700
	for i := range n {
		put(t, s, fmt.Sprintf("a/%d", i), []byte{byte(i)})
		if i%3 == 0 {
			put(t, s, fmt.Sprintf("a/%d", i), []byte{byte(i), 0})
		}
		if i%7 == 0 {
			if err := s.Delete(t.Context(), fmt.Sprintf("a/%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(t, s, "b", nil)
	infos, err := s.List(t.Context(), "a/")
	if err != nil || len(infos) != n-n/7 {
		t.Fatalf("%d objects, %v", len(infos), err)
	}
	seen := map[string]bool{}
	for _, i := range infos {
		var k int
		if _, err := fmt.Sscanf(i.Name, "a/%d", &k); err != nil || seen[i.Name] || k%7 == 0 {
			t.Errorf("%s is listed, twice: %t", i.Name, seen[i.Name])
		}
		seen[i.Name] = true
		if want := int64(1 + (3-k%3)/3); i.Size != want || time.Since(i.Time) > time.Minute {
			t.Errorf("%s has %d bytes, of %v; want %d", i.Name, i.Size, i.Time, want)
		}
		if got, err := s.Stat(t.Context(), i.Name); err != nil || got != i {
			t.Errorf("%s is listed as %+v, and is %+v, %v", i.Name, i, got, err)
		}
	}
	for i := range n {
		if i%7 == 0 {
			continue
		}
		if err := s.Delete(t.Context(), fmt.Sprintf("a/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if infos, err := s.List(t.Context(), "a/"); err != nil || len(infos) != 0 {
		t.Errorf("after all were deleted: %v, %v", infos, err)
	}
}
