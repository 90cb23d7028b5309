package registry_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/registry"
)

func view(t *testing.T, r *registry.Registry) *registry.View {
	t.Helper()
	v, stop := run(t, r)
	t.Cleanup(stop)
	return v
}

// run starts a view that stop ends; a test that closes the server stops the view first, or waits for a lost request.
func run(t *testing.T, r *registry.Registry) (v *registry.View, stop func()) {
	t.Helper()
	v = registry.NewView(r, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	select {
	case <-v.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the view did not get ready")
	}
	return v, stop
}

func eventually(t *testing.T, cond func() bool, msg string) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, cond, "%s", msg)
}

func revision(v *registry.View, n faas.Name) uint64 {
	fn, _ := v.Get(n)
	return fn.Revision
}

func TestViewFollows(t *testing.T) {
	s := serve(t, natsd.Config{})
	r := open(t, "", s.InProcess())
	empty := view(t, r)
	a := put(t, r, function("demo", "a", 1), 0)
	gone := put(t, r, function("demo", "gone", 1), 0)
	if err := r.Delete(t.Context(), gone.Name, gone.Revision); err != nil {
		t.Fatal(err)
	}
	v := view(t, open(t, "", s.InProcess()))
	if fn, ok := v.Get(a.Name); !ok || fn.Revision != a.Revision || fn.Version != a.Version {
		t.Errorf("Get when ready = %+v, %v", fn, ok)
	}
	if _, ok := v.Get(gone.Name); ok {
		t.Error("a removed function is there")
	}
	b := put(t, r, function("demo", "a", 2), a.Revision)
	put(t, r, function("other", "x", 2), 0)
	for _, v := range []*registry.View{empty, v} {
		eventually(t, func() bool { return revision(v, a.Name) == b.Revision && len(v.List("")) == 2 }, "the view did not see a change")
		if fns := v.List("demo"); len(fns) != 1 || fns[0].Name.Function != "a" {
			t.Errorf("List = %v", fns)
		}
	}
	if err := r.Delete(t.Context(), a.Name, b.Revision); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, ok := v.Get(a.Name); return !ok }, "the view did not see a removal")
}

func TestViewNeverGoesBack(t *testing.T) {
	v := registry.NewView(nil, slog.New(slog.DiscardHandler))
	var told []string
	v.OnChange(func(old, now *faas.Function) {
		s := [2]uint64{}
		for i, fn := range []*faas.Function{old, now} {
			if fn != nil {
				s[i] = fn.Revision
			}
		}
		told = append(told, fmt.Sprintf("%d>%d", s[0], s[1]))
	})
	at := func(rev uint64) faas.Function {
		fn := function("demo", "a", int(rev))
		fn.Revision = rev
		return fn
	}
	name := at(0).Name
	for i, step := range []struct {
		rev    uint64
		remove bool
		news   bool
		want   uint64
	}{
		{0, false, false, 0}, // not stored yet
		{5, false, true, 5},
		{5, false, false, 5},
		{4, false, false, 5},
		{4, true, false, 5},
		{7, false, true, 7},
		{7, true, true, 0},
		{6, false, false, 0}, // late
		{7, false, false, 0},
		{8, true, false, 0}, // the removal's own revision
		{8, false, false, 0},
		{9, false, true, 9},
		{8, true, false, 9},
	} {
		var news bool
		if step.remove {
			news = v.Remove(name, step.rev)
		} else {
			news = v.Apply(at(step.rev))
		}
		if got := revision(v, name); news != step.news || got != step.want {
			t.Errorf("step %d: news %v, revision %d; want %v, %d", i, news, got, step.news, step.want)
		}
	}
	if got := strings.Join(told, " "); got != "0>5 5>7 7>0 0>9" {
		t.Errorf("told %s", got)
	}
}

// TestViewHammer applies the same history in many orders at once: the view ends at the last, and each reader and each
// OnChange sees revisions only grow.
func TestViewHammer(t *testing.T) {
	v := registry.NewView(nil, slog.New(slog.DiscardHandler))
	const last = 400
	var high uint64
	v.OnChange(func(old, now *faas.Function) {
		rev := uint64(0)
		if now != nil {
			rev = now.Revision
		} else {
			rev = old.Revision
		}
		if rev < high {
			t.Errorf("told of %d after %d", rev, high)
		}
		high = rev
	})
	name := faas.Name{Tenant: "demo", Function: "a"}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for g := range 4 {
		writers.Go(func() {
			for _, i := range rand.New(rand.NewPCG(uint64(g), 1)).Perm(last) {
				if rev := uint64(i) + 1; rev%7 == 0 {
					v.Remove(name, rev)
				} else {
					fn := function("demo", "a", i)
					fn.Revision = rev
					v.Apply(fn)
				}
			}
		})
		readers.Go(func() {
			for seen := uint64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				if fn, ok := v.Get(name); ok {
					if fn.Revision < seen {
						t.Errorf("read %d after %d", fn.Revision, seen)
					}
					seen = fn.Revision
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if got := revision(v, name); got != last {
		t.Errorf("ended at %d", got)
	}
}

func TestViewManyFunctions(t *testing.T) {
	s := serve(t, natsd.Config{})
	r := open(t, "", s.InProcess())
	const n = 600 // more than the watcher's channel holds
	for i := range n {
		put(t, r, function("demo", fmt.Sprint("f", i), i), 0)
	}
	if got := len(view(t, r).List("demo")); got != n {
		t.Errorf("%d functions when ready", got)
	}
}

// TestViewStopsWhileFull defends that a Run which is stopped before it took everything leaves nothing behind.
func TestViewStopsWhileFull(t *testing.T) {
	r := open(t, "", serve(t, natsd.Config{}).InProcess())
	for i := range 600 {
		put(t, r, function("demo", fmt.Sprint("f", i), i), 0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v := registry.NewView(r, slog.New(slog.DiscardHandler))
	v.OnChange(func(_, _ *faas.Function) { cancel() })
	if err := v.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestViewSurvivesServerRestart(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, natsd.Config{StoreDir: dir, Listen: "127.0.0.1:0"})
	url := s.ClientURL()
	r := open(t, url)
	a := put(t, r, function("demo", "a", 1), 0)
	v, stop := run(t, r)
	defer stop()
	s.Close()
	if _, ok := v.Get(a.Name); !ok {
		t.Error("the view forgot while the bus was away")
	}
	s = serve(t, natsd.Config{StoreDir: dir, Listen: strings.TrimPrefix(url, "nats://")})
	b := put(t, open(t, "", s.InProcess()), function("demo", "a", 2), a.Revision)
	eventually(t, func() bool { return revision(v, a.Name) == b.Revision }, "the view did not recover")
}

// TestViewCatchesUp cuts a view off while functions are changed, added and removed.
func TestViewCatchesUp(t *testing.T) {
	s := serve(t, natsd.Config{Listen: "127.0.0.1:0"})
	p := newProxy(t, strings.TrimPrefix(s.ClientURL(), "nats://"))
	r := open(t, "", s.InProcess())
	a := put(t, r, function("demo", "a", 1), 0)
	b := put(t, r, function("demo", "b", 1), 0)
	c := put(t, r, function("demo", "c", 1), 0)
	v := view(t, open(t, "nats://"+p.addr()))
	p.cut()
	a2 := put(t, r, function("demo", "a", 2), a.Revision)
	if err := r.Delete(t.Context(), b.Name, b.Revision); err != nil {
		t.Fatal(err)
	}
	d := put(t, r, function("demo", "d", 1), 0)
	early := put(t, r, function("demo", "early", 1), 0)
	v.Apply(early) // learned by an answer while the watch is away
	if got := revision(v, a.Name); got != a.Revision {
		t.Errorf("the view saw %d through a cut line", got)
	}
	p.mend()
	eventually(t, func() bool {
		_, there := v.Get(b.Name)
		return revision(v, a.Name) == a2.Revision && !there && revision(v, d.Name) == d.Revision
	}, "the view did not catch up")
	if revision(v, c.Name) != c.Revision || revision(v, early.Name) != early.Revision {
		t.Error("the view lost a function")
	}
}

// TestViewOfAnotherRegistry starts the server again with an empty store: what the view knew is gone.
func TestViewOfAnotherRegistry(t *testing.T) {
	s := serve(t, natsd.Config{Listen: "127.0.0.1:0"})
	url := s.ClientURL()
	r := open(t, url)
	for i := range 5 {
		put(t, r, function("demo", fmt.Sprint("f", i), i), 0)
	}
	v, stop := run(t, r)
	defer stop()
	s.Close()
	s = serve(t, natsd.Config{Listen: strings.TrimPrefix(url, "nats://")})
	a := put(t, open(t, "", s.InProcess()), function("demo", "new", 1), 0)
	eventually(t, func() bool { return revision(v, a.Name) == a.Revision && len(v.List("")) == 1 }, "the view kept the old registry")
}

func TestViewEndsWithItsConnection(t *testing.T) {
	s := serve(t, natsd.Config{})
	nc, r := connect(t, "", s.InProcess())
	v := registry.NewView(r, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- v.Run(t.Context()) }()
	<-v.Ready()
	nc.Close()
	select {
	case err := <-ended:
		wantCode(t, err, faas.Unavailable)
	case <-time.After(10 * time.Second):
		t.Fatal("Run went on without a connection")
	}
}

func BenchmarkViewGet(b *testing.B) {
	v := registry.NewView(nil, slog.New(slog.DiscardHandler))
	for i := range 1000 {
		fn := function("demo", fmt.Sprint("f", i), i)
		fn.Revision = uint64(i) + 1
		v.Apply(fn)
	}
	name := faas.Name{Tenant: "demo", Function: "f500"}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := v.Get(name); !ok {
			b.Fatal("missing")
		}
	}
}

// proxy is a TCP line to a server that can be cut.
type proxy struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		out, err := net.Dial("tcp", p.target)
		if down || err != nil {
			in.Close()
			if err == nil {
				out.Close()
			}
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.wg.Go(func() {
				_, _ = io.Copy(struct{ io.Writer }{pair[0]}, pair[1]) // only a Writer: between two sockets io.Copy keeps pipes
				pair[0].Close()
				pair[1].Close()
			})
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}
