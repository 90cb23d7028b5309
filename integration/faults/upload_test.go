package faults

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// slowGuest returns a module that takes the compiler seconds.
func slowGuest(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString(`(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 0))`)
	for i := range 2000 {
		fmt.Fprintf(&b, "(func (param i32 i32) (result i32) (local i32)")
		for k := range 40 {
			fmt.Fprintf(&b, "(local.set 2 (i32.add (i32.mul (local.get 0) (local.get 2)) (i32.load (i32.and (local.get 1) (i32.const %d)))))", i+k)
		}
		b.WriteString("(local.get 2))")
	}
	b.WriteString(")")
	return faaslettest.MustAssemble(t, b.String())
}

// modules opens the bucket that modules and what is staged are in.
func modules(t testing.TB, c *framework.Cluster) *objectstore.Store {
	t.Helper()
	js, err := jetstream.New(c.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	store, err := objectstore.Open(t.Context(), js, bus.ModulesBucket, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// staged returns how many modules wait in the store for an upload service.
func staged(t testing.TB, store *objectstore.Store) int {
	t.Helper()
	all, err := store.List(t.Context(), "staging/")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// compiling reports whether the upload service has a compiler as a child.
func compiling(u *framework.Upload) bool {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", u.Pid()))
	if err != nil {
		return false
	}
	for _, task := range tasks {
		kids, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", u.Pid(), task.Name()))
		if err == nil && len(kids) > 0 {
			return true
		}
	}
	return false
}

// TestUploadKilled defends promises 5 and 7 for a deploy: when the upload service is killed in the middle of it, the client
// is told, the version from before runs on under load, nothing stays staged, and the same deploy works once the service is
// back.
func TestUploadKilled(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 2})
	store := modules(t, c)
	l := ls.run(usual(), everybody(t, c)...)
	l.awaitProgress(t, 50)
	g := c.Gateways[0]
	before, err := g.Function(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	slow := slowGuest(t)
	type answer struct {
		err error
		at  time.Time
	}
	answered := make(chan answer, 1)
	go func() { // ends with the deploy, which is waited for below
		_, err := g.Deploy(context.WithoutCancel(t.Context()), echo, slow)
		answered <- answer{err, time.Now()}
	}()
	testenv.Eventually(t, patience, func() bool { return compiling(c.Upload) }, "the upload service compiles nothing")
	killed := time.Now()
	c.Upload.Kill(t)
	a := <-answered
	if codeOf(a.err) != faas.Unavailable {
		t.Errorf("the deploy's client got %v, want %s", a.err, faas.Unavailable)
	}
	t.Logf("the deploy failed after %v: %v", a.at.Sub(killed).Round(time.Millisecond), a.err)
	if _, err := g.Deploy(t.Context(), echo, slow); codeOf(err) != faas.Unavailable {
		t.Errorf("a deploy without an upload service: %v, want %s", err, faas.Unavailable)
	}
	l.awaitProgress(t, 50)
	if now, err := g.Function(t.Context(), echo); err != nil || now.Version != before.Version || now.Revision != before.Revision {
		t.Errorf("after the broken deploy the function is %+v, %v; want %+v", now, err, before)
	}
	testenv.Eventually(t, patience, func() bool { return staged(t, store) == 0 }, "a staged module is left")

	l.end()
	ls.settle(t)
	l.check(t, history.Rules{})

	c.Upload.Restart(t)
	fn, err := g.Deploy(t.Context(), echo, slow)
	if err != nil || fn.Version != faas.VersionOf(slow) {
		t.Fatalf("the deploy, once the service is back: %+v, %v", fn, err)
	}
	if _, err := g.Call(t.Context(), echo, nil); err != nil {
		t.Errorf("a call of the new version: %v", err)
	}
	if n := staged(t, store); n != 0 {
		t.Errorf("%d staged modules are left", n)
	}
}
