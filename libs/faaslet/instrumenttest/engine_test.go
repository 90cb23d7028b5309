package instrumenttest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/libs/wasmbin"
)

// newEngine has the features of Shoal's engine.
func newEngine() *wasmtime.Engine {
	c := wasmtime.NewConfig()
	c.SetCraneliftOptLevel(wasmtime.OptLevelNone)
	c.SetWasmThreads(false)
	c.SetWasmMultiMemory(false)
	c.SetWasmMemory64(false)
	return wasmtime.NewEngineWithConfig(c)
}

func assemble(t testing.TB, wat string) []byte {
	t.Helper()
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func instrument(t testing.TB, module []byte) []byte {
	t.Helper()
	out, err := wasmbin.Instrument(module)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seen is all that can be seen of one run of a module.
type seen struct {
	calls   string   // results and traps of every exported function, in order
	memory  [32]byte // digest
	pages   uint64
	globals string
	refused int32 // of an instrumented module
}

// memoryLimit is what the stores of run allow, in bytes.
const memoryLimit = 64 << 16

// run instantiates module and calls each exported function that needs no parameters, rounds times over.
func run(t testing.TB, engine *wasmtime.Engine, module []byte, rounds int) seen {
	t.Helper()
	m, err := wasmtime.NewModule(engine, module)
	if err != nil {
		t.Fatalf("the engine refuses it: %v", err)
	}
	defer m.Close()
	store := wasmtime.NewStore(engine)
	defer store.Close()
	store.Limiter(memoryLimit, -1, -1, -1, -1)
	var s seen
	in, err := wasmtime.NewInstance(store, m, nil)
	if err != nil {
		s.calls = "instantiate: " + trapText(err)
		return s
	}
	if start := in.GetExport(store, wasmbin.StartFunc); start != nil { // what the engine would have called
		if _, err := start.Func().Call(store); err != nil {
			s.calls = "instantiate: " + trapText(err)
			return s
		}
	}
	for range rounds {
		for _, e := range m.Exports() {
			ft := e.Type().FuncType()
			if ft == nil || len(ft.Params()) > 0 || strings.HasPrefix(e.Name(), wasmbin.Reserved) {
				continue
			}
			result, err := in.GetFunc(store, e.Name()).Call(store)
			if err != nil {
				result = trapText(err)
			}
			s.calls += fmt.Sprintf("%s = %v\n", e.Name(), result)
		}
	}
	for _, e := range m.Exports() {
		x := in.GetExport(store, e.Name())
		if mem := x.Memory(); mem != nil {
			s.memory, s.pages = sha256.Sum256(mem.UnsafeData(store)), mem.Size(store)
		}
		if g := x.Global(); g != nil && e.Name() == wasmbin.GrowRefused {
			s.refused = g.Get(store).I32()
		} else if g != nil && !strings.HasPrefix(e.Name(), wasmbin.Reserved) {
			s.globals += fmt.Sprintf("%s = %v\n", e.Name(), g.Get(store).Get())
		}
	}
	return s
}

// trapText is the kind of a trap without its backtrace, whose offsets instrumenting changes.
func trapText(err error) string {
	var trap *wasmtime.Trap
	if errors.As(err, &trap) && trap.Code() != nil {
		return fmt.Sprintf("trap %d", *trap.Code())
	}
	return "error"
}

// same runs module and what Instrument makes of it, and checks that only the count of refusals differs.
func same(t *testing.T, engine *wasmtime.Engine, module []byte, refused int32) {
	t.Helper()
	changed := instrument(t, module)
	a, b := run(t, engine, module, 3), run(t, engine, changed, 3)
	if got := b.refused; got != refused {
		t.Errorf("%d refusals counted, want %d", got, refused)
	}
	b.refused = 0
	if a != b {
		t.Errorf("the original:\n%+v\ninstrumented:\n%+v", a, b)
	}
	if refused == 0 && bytes.Contains(module, []byte("no grow")) && !bytes.Equal(module, changed) {
		t.Error("a module without memory.grow was changed")
	}
}
