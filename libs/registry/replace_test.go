package registry

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/natsd"
)

// watched calls began after each watch of everything has begun and before anything of it is read.
type watched struct {
	jetstream.KeyValue
	began func()
}

func (w watched) WatchAll(ctx context.Context, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	k, err := w.KeyValue.WatchAll(ctx, opts...)
	if err == nil {
		w.began()
	}
	return k, err
}

// TestViewKeepsWhatItLearnsWhileItCatchesUp: a deploy that is answered, and applied, while the view reads the whole bucket
// is newer than what the bucket had when the reading began. That is no other bucket.
func TestViewKeepsWhatItLearnsWhileItCatchesUp(t *testing.T) {
	r := fresh(t)
	put := func(name string) faas.Function {
		fn, err := r.Put(t.Context(), faas.Function{
			Name: faas.Name{Tenant: "demo", Function: name}, Version: faas.VersionOf([]byte(name)), Kind: faas.Command, Entry: "_start",
		}, 0)
		if err != nil {
			t.Error(err)
		}
		return fn
	}
	a, b := put("a"), put("b")
	v := NewView(r, slog.New(slog.DiscardHandler))
	var learned []faas.Function
	r.kv = watched{r.kv, func() {
		for _, name := range []string{"c", "d"} {
			fn := put(name)
			learned = append(learned, fn)
			v.Apply(fn)
		}
	}}
	v.Apply(a)
	v.OnChange(func(old, now *faas.Function) {
		if now == nil {
			t.Errorf("told that %s was removed", old.Name)
		}
		if _, ok := v.Get(a.Name); !ok {
			t.Errorf("%s is missing", a.Name)
		}
	})
	follow(t, v)
	for _, fn := range append(learned, a, b) {
		if got, ok := v.Get(fn.Name); !ok || got.Revision != fn.Revision {
			t.Errorf("%s: revision %d when ready, want %d", fn.Name, got.Revision, fn.Revision)
		}
	}
}

// TestViewGoesOverToAnOlderBucketAtOnce: what both buckets have is never missing.
func TestViewGoesOverToAnOlderBucketAtOnce(t *testing.T) {
	r := fresh(t)
	name := func(s string) faas.Name { return faas.Name{Tenant: "demo", Function: s} }
	a, err := r.Put(t.Context(), faas.Function{Name: name("a"), Version: faas.VersionOf(nil), Kind: faas.Command, Entry: "_start"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := NewView(r, slog.New(slog.DiscardHandler))
	v.Apply(faas.Function{Name: name("a"), Revision: 8}) // as another bucket had them
	v.Apply(faas.Function{Name: name("old"), Revision: 9})
	v.Remove(name("b"), 10)
	told := map[string]int{}
	v.OnChange(func(old, now *faas.Function) {
		if _, ok := v.Get(a.Name); !ok {
			t.Error("a is missing")
		}
		switch {
		case now == nil:
			told["-"+old.Name.Function]++
		case old == nil:
			told["+"+now.Name.Function]++
		default:
			told[now.Name.Function]++
		}
	})
	follow(t, v)
	if got, _ := v.Get(a.Name); got.Revision != a.Revision {
		t.Errorf("a has revision %d, want %d", got.Revision, a.Revision)
	}
	if _, ok := v.Get(name("old")); ok || len(told) != 2 || told["a"] != 1 || told["-old"] != 1 {
		t.Errorf("told %v", told)
	}
	b, err := r.Put(t.Context(), faas.Function{Name: name("b"), Version: faas.VersionOf(nil), Kind: faas.Command, Entry: "_start"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, func() bool { got, _ := v.Get(b.Name); return got.Revision == b.Revision }, "b is not known")
}

// follow runs v until the test ends, and waits until it is ready.
func follow(t *testing.T, v *View) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-v.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the view did not get ready")
	}
}

// fresh returns an empty registry.
func fresh(t *testing.T) *Registry {
	t.Helper()
	s, err := natsd.Start(natsd.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, err := nats.Connect("", s.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), js, "functions")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
