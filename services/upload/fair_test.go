package upload_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/services/upload"
)

// slow is a compiler that ends a compilation when its test lets it, or its context ends.
type slow struct {
	entered chan string // salts of modules, as their compilation begins
	killed  chan string // as it is broken off

	mu    sync.Mutex
	gates map[string]chan struct{} // by salt; closed: lets it through
}

func newSlow(open ...string) *slow {
	s := &slow{entered: make(chan string, 100), killed: make(chan string, 100), gates: map[string]chan struct{}{}}
	for _, salt := range open {
		s.let(salt)
	}
	return s
}

func (s *slow) gate(salt string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gates[salt] == nil {
		s.gates[salt] = make(chan struct{})
	}
	return s.gates[salt]
}

func (s *slow) let(salt string) { close(s.gate(salt)) }

func (s *slow) Compile(ctx context.Context, module []byte) ([]byte, error) {
	_, salt, _ := strings.Cut(string(module), "salt")
	s.entered <- salt
	select {
	case <-s.gate(salt):
		return []byte("x"), nil
	case <-ctx.Done():
		s.killed <- salt
		return nil, ctx.Err()
	}
}

func (s *slow) configure(c *upload.Config) { c.Compiler = s }

// next returns what comes next, within ten seconds.
func next[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// nothing wants that nothing has come.
func nothing[T any](t *testing.T, ch <-chan T, what string) {
	t.Helper()
	select {
	case v := <-ch:
		t.Errorf("%s: %v", what, v)
	default:
	}
}

// asked is a deploy that was sent.
type asked struct {
	req    bus.UploadRequest
	answer chan error
}

// send sends a deploy of command(salt), in order with others.
func (b *bench) send(tenant, salt string) asked {
	b.t.Helper()
	module := command(salt)
	a := asked{bus.UploadRequest{
		Kind: bus.Deploy, Name: faas.Name{Tenant: tenant, Function: "f-" + salt}, Object: b.stage(module), Version: faas.VersionOf(module),
	}, make(chan error, 1)}
	b.request(a)
	return a
}

func (b *bench) request(a asked) {
	b.t.Helper()
	inbox := b.nc.NewInbox()
	sub, err := b.nc.Subscribe(inbox, func(m *nats.Msg) {
		if _, err := bus.Unmarshal[bus.UploadProgress](m.Data); err == nil {
			return
		}
		if e := bus.DecodeResult(m).Err; e != nil {
			a.answer <- e
			return
		}
		a.answer <- nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = sub.Unsubscribe() }) // the connection may be closed
	if err := b.nc.PublishRequest(bus.UploadSubject(), inbox, bus.Marshal(a.req)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) giveUp(a asked) {
	b.t.Helper()
	m := bus.UploadRequest{Kind: bus.CancelDeploy, Name: a.req.Name, Object: a.req.Object}
	if err := b.nc.Publish(bus.UploadCancelSubject(), bus.Marshal(m)); err != nil {
		b.t.Fatal(err)
	}
}

// awaitStaged returns when n objects are staged.
func (b *bench) awaitStaged(n int) {
	b.t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		names := b.objects("staging/")
		if len(names) == n {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("staged are %v, want %d", names, n)
		}
	}
}

// TestSlowTenant has a tenant compile for ever in every slot: another's deploys are done all the same, the tenant's oldest
// compilation goes on, and the one that yielded begins anew afterwards.
func TestSlowTenant(t *testing.T) {
	c := newSlow("quick")
	b := newBench(t, c.configure)
	one := b.send("hostile", "one")
	if got := next(t, c.entered, "the first"); got != "one" {
		t.Fatalf("%s begins", got)
	}
	two := b.send("hostile", "two")
	next(t, c.entered, "the second, in an idle slot")
	three := b.send("hostile", "three")
	quick := b.send("meek", "quick")
	if got := next(t, c.killed, "what yields"); got != "two" {
		t.Errorf("%s yields", got)
	}
	if got := next(t, c.entered, "the meek one"); got != "quick" {
		t.Errorf("%s begins", got)
	}
	if err := next(t, quick.answer, "the meek one's answer"); err != nil {
		t.Error(err)
	}
	if got := next(t, c.entered, "again"); got != "two" { // ahead of the third
		t.Errorf("%s begins", got)
	}
	nothing(t, one.answer, "the first ended")
	nothing(t, c.killed, "one more yielded")
	for _, salt := range []string{"one", "two", "three"} {
		c.let(salt)
	}
	for _, a := range []asked{one, two, three} {
		if err := next(t, a.answer, "the end"); err != nil {
			t.Error(err)
		}
	}
	b.awaitStaged(0)
	if fns, err := b.reg.List(t.Context(), ""); len(fns) != 4 || err != nil {
		t.Errorf("%d functions, %v", len(fns), err)
	}
}

// TestTurns has three tenants with unlike numbers of deploys wait for one slot.
func TestTurns(t *testing.T) {
	c := newSlow()
	b := newBench(t, c.configure, func(c *upload.Config) { c.Compiles = 1 })
	all := []asked{b.send("a", "a1")}
	next(t, c.entered, "the first")
	for _, salt := range []string{"a2", "a3", "a4", "b1", "b2", "c1"} {
		all = append(all, b.send(salt[:1], salt))
	}
	if err := b.nc.Flush(); err != nil { // the server has them all; the service takes them in before it ends the first
		t.Fatal(err)
	}
	b.awaitWaiting(all[6])
	order := []string{"a1"}
	for i := range all {
		c.let(order[i])
		if err := next(t, all[slices.IndexFunc(all, func(a asked) bool { return a.req.Name.Function == "f-"+order[i] })].answer, order[i]); err != nil {
			t.Error(err)
		}
		if i < len(all)-1 {
			order = append(order, next(t, c.entered, "the next"))
		}
	}
	if got := fmt.Sprint(order); got != "[a1 a2 b1 c1 a3 b2 a4]" {
		t.Errorf("order %s", got)
	}
}

// awaitWaiting returns when the service has taken in a and all before it: it tells of the progress of one sent after them.
func (b *bench) awaitWaiting(a asked) {
	b.t.Helper()
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		b.t.Fatal(err)
	}
	req := bus.UploadRequest{Kind: bus.Remove, Name: a.req.Name, Progress: true}
	if err := b.nc.PublishRequest(bus.UploadSubject(), inbox, bus.Marshal(req)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := sub.NextMsg(10 * time.Second); err != nil {
		b.t.Fatal(err)
	}
}

// TestTenantQueueIsBounded refuses a tenant's flood and nobody else.
func TestTenantQueueIsBounded(t *testing.T) {
	c := newSlow()
	b := newBench(t, c.configure, func(c *upload.Config) { c.Compiles, c.TenantQueue, c.Queue = 1, 2, 3 })
	taken := []asked{b.send("flood", "0")}
	next(t, c.entered, "the first")
	taken = append(taken, b.send("flood", "1"), b.send("flood", "2"))
	wantError(t, next(t, b.send("flood", "3").answer, "one too many"), faas.RateLimited, "flood", "2", "wait for one to end")
	taken = append(taken, b.send("other", "4"))
	b.awaitWaiting(taken[3])
	wantError(t, next(t, b.send("third", "5").answer, "too many of all"), faas.NoCapacity, "try again")
	b.awaitStaged(4)
	for _, salt := range []string{"0", "1", "2", "4"} {
		c.let(salt)
	}
	for _, a := range taken {
		if err := next(t, a.answer, a.req.Name.String()); err != nil {
			t.Error(err)
		}
	}
	b.awaitStaged(0)
}
