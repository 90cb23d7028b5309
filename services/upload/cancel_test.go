package upload_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/upload"
)

// TestGiveUp ends a deploy that compiles, one that waits, and one that comes after the word that its client has left.
func TestGiveUp(t *testing.T) {
	c := newSlow("last")
	b := newBench(t, c.configure, func(c *upload.Config) { c.Compiles = 1 })
	running := b.send("a", "running")
	next(t, c.entered, "the first")
	waiting := b.send("a", "waiting")
	b.awaitWaiting(waiting)
	b.giveUp(waiting)
	wantError(t, next(t, waiting.answer, "what waited"), faas.Cancelled)
	b.awaitStaged(1)
	nothing(t, c.killed, "the wrong one ended")

	b.giveUp(running)
	if got := next(t, c.killed, "what ran"); got != "running" {
		t.Errorf("%s was killed", got)
	}
	wantError(t, next(t, running.answer, "what ran"), faas.Cancelled, "nobody waits")
	b.awaitStaged(0)

	early := asked{bus.UploadRequest{
		Kind: bus.Deploy, Name: faas.Name{Tenant: "a", Function: "early"}, Object: b.stage(command("early")), Version: faas.VersionOf(command("early")),
	}, make(chan error, 1)}
	b.giveUp(early)
	b.giveUp(asked{req: bus.UploadRequest{Name: early.req.Name, Object: "staging/nobody's"}})
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b.request(early)
	wantError(t, next(t, early.answer, "what came late"), faas.Cancelled)
	b.awaitStaged(0)

	if err := next(t, b.send("a", "last").answer, "the next deploy"); err != nil { // the slot is free
		t.Error(err)
	}
	if fns, err := b.reg.List(t.Context(), ""); len(fns) != 1 || err != nil {
		t.Errorf("%d functions, %v", len(fns), err)
	}
}

// TestGiveUpOne has two tenants deploy one module: when the client whose deploy compiles it leaves, the other's goes on.
func TestGiveUpOne(t *testing.T) {
	c := newSlow()
	b := newBench(t, c.configure)
	first := b.send("a", "same")
	next(t, c.entered, "the first")
	second := b.send("b", "same")
	b.awaitWaiting(second)
	b.giveUp(first)
	wantError(t, next(t, first.answer, "the first"), faas.Cancelled)
	next(t, c.entered, "the second")
	c.let("same")
	if err := next(t, second.answer, "the second"); err != nil {
		t.Error(err)
	}
	b.awaitStaged(0)
}

// TestGiveUpTooLate hammers with clients that leave at any moment: a deploy is answered as done exactly when the registry
// has it, and nothing stays staged.
func TestGiveUpTooLate(t *testing.T) {
	b := newBench(t, func(c *upload.Config) { c.TenantQueue, c.Queue = 100, 1000 })
	var wg sync.WaitGroup
	done := make([]bool, 60)
	for i := range done {
		tenant, salt := fmt.Sprint("t", i%3), fmt.Sprint(i)
		a := b.send(tenant, salt)
		wg.Go(func() {
			left := i%2 == 0
			if left {
				m := bus.UploadRequest{Kind: bus.CancelDeploy, Name: a.req.Name, Object: a.req.Object}
				if err := b.nc.Publish(bus.UploadCancelSubject(), bus.Marshal(m)); err != nil {
					t.Error(err)
				}
			}
			select {
			case err := <-a.answer:
				done[i] = err == nil
				if err != nil && (!left || faas.CodeOf(err) != faas.Cancelled) {
					t.Errorf("deploy %d: %v", i, err)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("deploy %d was not answered", i)
			}
		})
	}
	wg.Wait()
	for i, ok := range done {
		_, err := b.reg.Get(t.Context(), faas.Name{Tenant: fmt.Sprint("t", i%3), Function: fmt.Sprint("f-", i)})
		if ok != (err == nil) {
			t.Errorf("deploy %d: answered as done: %v, registry: %v", i, ok, err)
		}
	}
	b.awaitStaged(0)
}

// TestWaitingExpires answers a deploy that got no turn in its time, while the one before it still runs.
func TestWaitingExpires(t *testing.T) {
	c := newSlow()
	b := newBench(t, func(cfg *upload.Config) {
		cfg.Compiles, cfg.DeployTimeout = 1, 500*time.Millisecond
		cfg.Compiler = fakeCompiler(func(_ context.Context, module []byte) ([]byte, error) {
			return c.Compile(context.Background(), module) // deaf
		})
	})
	first := b.send("a", "deaf")
	next(t, c.entered, "the first")
	second := b.send("b", "second")
	wantError(t, next(t, second.answer, "what waited"), faas.DeadlineExceeded, "b/f-second", "500ms")
	b.awaitStaged(1)
	c.let("deaf")
	wantError(t, next(t, first.answer, "what ran"), faas.DeadlineExceeded, "a/f-deaf")
	b.awaitStaged(0)
}

func TestCompileWall(t *testing.T) {
	c := newSlow("after")
	b := newBench(t, c.configure, func(c *upload.Config) { c.CompileWall = 50 * time.Millisecond })
	wantError(t, next(t, b.send("a", "slow").answer, "what is slow"), faas.InvalidModule, "more than 50ms", "compile-wall")
	next(t, c.killed, "the compilation")
	if err := next(t, b.send("a", "after").answer, "what comes after"); err != nil {
		t.Error(err)
	}
	b.awaitStaged(0)
	if got := upload.DeployTimeout(2 * time.Minute); got != 9*time.Minute {
		t.Errorf("deploy timeout %v", got)
	}
}

// TestGiveUpKillsTheChild gives up a real compilation, long before it would end.
func TestGiveUpKillsTheChild(t *testing.T) {
	ended, entered := make(chan error, 1), make(chan struct{}, 1)
	b := newBench(t, func(c *upload.Config) {
		c.Compiler = fakeCompiler(func(ctx context.Context, _ []byte) ([]byte, error) {
			entered <- struct{}{}
			code, err := compile.Compiler{}.Compile(ctx, large(3000, 4000))
			ended <- err
			return code, err
		})
	})
	a := b.send("a", "x")
	next(t, entered, "the child")
	began := time.Now()
	b.giveUp(a)
	wantError(t, next(t, ended, "the child's end"), faas.Cancelled)
	wantError(t, next(t, a.answer, "the answer"), faas.Cancelled)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	b.awaitStaged(0)
}

// large returns a module of funcs functions with n additions each.
func large(funcs, n int) []byte {
	leb := func(v int) []byte {
		var out []byte
		for ; v >= 0x80; v >>= 7 {
			out = append(out, byte(v)|0x80)
		}
		return append(out, byte(v))
	}
	part := func(id byte, body []byte) []byte { return append(append([]byte{id}, leb(len(body))...), body...) }
	code := []byte{0, 0x41, 1}
	for range n {
		code = append(code, 0x41, 3, 0x6a)
	}
	code = append(code, 0x1a, 0x0b)
	body := append(leb(len(code)), code...)
	kinds, bodies := leb(funcs), leb(funcs)
	for range funcs {
		kinds = append(kinds, 0)
		bodies = append(bodies, body...)
	}
	out := append([]byte("\x00asm\x01\x00\x00\x00"), part(1, []byte{1, 0x60, 0, 0})...)
	out = append(out, part(3, kinds)...)
	out = append(out, part(5, []byte{1, 0, 1})...)
	out = append(out, part(7, append(append([]byte{2, 6}, "memory\x02\x00\x06_start"...), 0, 0))...)
	return append(out, part(10, bodies)...)
}
