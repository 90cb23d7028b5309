//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// TestLibraryShares has one tenant take what it may: another one still has room, and nothing is left when all is given back.
func TestLibraryShares(t *testing.T) {
	s := shares{owners: make(map[string]*share)}
	const size = 64 << 20
	n := 0
	for ok := true; ok; n++ {
		var own bool
		if ok, own = s.take("a", size); !ok && !own {
			t.Error("it is told that all is taken")
		}
	}
	if n--; n != 12 { // of 16
		t.Errorf("one tenant has %d", n)
	}
	if ok, _ := s.take("b", size); !ok {
		t.Error("another one has none")
	}
	if ok, own := s.take("b", maxLibraryMemory); ok || own {
		t.Error("more than there is is a matter of shares")
	}
	for range n {
		s.give("a", size)
	}
	s.give("b", size)
	if s.all != 0 || len(s.owners) != 0 {
		t.Errorf("%d bytes of %v are left", s.all, s.owners)
	}
}

// TestLibrariesOfOthersStay fills a tenant's share with libraries that nobody has open: the next one of it takes the place of
// one of its own.
func TestLibrariesOfOthersStay(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watOpener)
	open := func(tenant string, i int) {
		t.Helper()
		f := newFaaslet(t, m, Setup{Func: faas.Name{Tenant: tenant, Function: "f"}})
		defer f.Close()
		libs := files{"a.so": lib(t, fmt.Sprintf(`(func (export "f") (result i32) (i32.const %d))`, i))}
		isResult(t, opened(t, f, libs.shared(), "a.so", "f"), uint32(i))
	}
	open("other", 1)
	open("me", 2)
	e.libraries.mu.Lock()
	big := maxLibraryMemory/5*4 - e.libraries.shares.of("me").bytes*2
	if ok, _ := e.libraries.shares.take("me", big); !ok {
		t.Error("no room")
	}
	e.libraries.mu.Unlock()
	open("me", 3)
	e.libraries.mu.Lock()
	others := 0
	for _, l := range e.libraries.kept {
		if l.owner == "other" {
			others++
		}
	}
	if others != 1 || len(e.libraries.kept) != 2 {
		t.Errorf("%d libraries are kept, %d of them another's", len(e.libraries.kept), others)
	}
	e.libraries.shares.give("me", big)
	e.libraries.mu.Unlock()
}

// TestCompilersTurn has one tenant ask for many libraries at once: another's turn is after the first of them.
func TestCompilersTurn(t *testing.T) {
	l := &libraries{slots: make(chan struct{}, 1), shares: shares{owners: make(map[string]*share)}}
	began, next := make(chan string), make(chan struct{})
	compile := func(owner string) {
		_, _ = l.inTurn(context.Background(), owner, func() ([]byte, error) {
			began <- owner
			<-next
			return nil, nil
		})
	}
	waiting := func(n int) {
		testenv.Eventually(t, 10*time.Second, func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			users := 0
			for _, o := range l.shares.owners {
				users += o.users
			}
			return users == n
		}, "not all wait")
	}
	const many = 5
	for range many {
		go compile("many")
	}
	if first := <-began; first != "many" {
		t.Fatal(first)
	}
	waiting(many)
	go compile("one")
	waiting(many + 1)
	next <- struct{}{}
	order := []string{<-began}
	next <- struct{}{}
	order = append(order, <-began)
	if order[0] != "one" && order[1] != "one" {
		t.Errorf("the other one waits behind %v", order)
	}
	for range many - 2 {
		next <- struct{}{}
		<-began
	}
	next <- struct{}{}
	waiting(0)
	if l.mu.Lock(); len(l.shares.owners) != 0 {
		t.Errorf("%v are left", l.shares.owners)
	}
	l.mu.Unlock()
}
