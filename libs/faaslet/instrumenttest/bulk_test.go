package instrumenttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/libs/wasmbin"
)

const (
	chunk      = 1 << 20 // what an instruction may write at once
	short      = 4 << 10 // what it may write without an interruption point
	bulkPages  = 80      // 5 MiB
	bulkMemory = bulkPages << 16
	segment    = 5*chunk/2 + 3 // length of the data segment
)

// bulkGuest has the three instructions as functions, and the long data segment that memory.init needs.
func bulkGuest() string {
	var data strings.Builder
	for i := range segment {
		fmt.Fprintf(&data, `\%02x`, byte(i*i>>9^i))
	}
	return `(module (memory (export "memory") ` + fmt.Sprint(bulkPages) + `) (data $d "` + data.String() + `") (data $small "0123456789")
		(func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
		(func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
		(func (export "init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
		(func (export "small") (param i32 i32 i32) (memory.init $small (local.get 0) (local.get 1) (local.get 2)))
		(func (export "drop") (param i32 i32 i32) (data.drop $d)))`
}

// twin is a module and what Instrument made of it, side by side.
type twin struct {
	t      *testing.T
	store  [2]*wasmtime.Store
	guest  [2]*wasmtime.Instance
	memory [2]*wasmtime.Memory
	traps  int
}

func newTwin(t *testing.T, module []byte) *twin {
	t.Helper()
	w := &twin{t: t}
	engine := newEngine()
	for i, b := range [][]byte{module, instrument(t, module)} {
		m, err := wasmtime.NewModule(engine, b)
		if err != nil {
			t.Fatalf("the engine refuses it: %v", err)
		}
		t.Cleanup(m.Close)
		w.store[i] = wasmtime.NewStore(engine)
		t.Cleanup(w.store[i].Close)
		if w.guest[i], err = wasmtime.NewInstance(w.store[i], m, nil); err != nil {
			t.Fatal(err)
		}
		w.memory[i] = w.guest[i].GetExport(w.store[i], "memory").Memory()
		// Every eight bytes differ, so that a byte from the wrong place shows.
		data := w.memory[i].UnsafeData(w.store[i])
		for at := 0; at < len(data); at += 8 {
			binary.LittleEndian.PutUint64(data[at:], uint64(at)*0x9e3779b97f4a7c15)
		}
	}
	return w
}

// call has both do the same and compares results, traps and memories.
func (w *twin) call(name string, a, b, n uint32) {
	w.t.Helper()
	var text [2]string
	for i := range w.guest {
		_, err := w.guest[i].GetFunc(w.store[i], name).Call(w.store[i], int32(a), int32(b), int32(n))
		if err != nil {
			text[i] = trapText(err)
		}
	}
	if text[0] != "" {
		w.traps++
	}
	same := bytes.Equal(w.memory[0].UnsafeData(w.store[0]), w.memory[1].UnsafeData(w.store[1]))
	if text[0] != text[1] || !same {
		w.t.Errorf("%s(%#x, %#x, %#x): trap %q and instrumented %q, same memory: %v", name, a, b, n, text[0], text[1], same)
	}
}

// lengths are those at which something changes.
var lengths = []uint32{
	0, 1, short - 1, short, short + 1, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1, 3*chunk + 17,
}

func TestLongFill(t *testing.T) {
	w := newTwin(t, assemble(t, bulkGuest()))
	for i, n := range lengths {
		v := uint32(i + 0x1f0)
		w.call("fill", 3, v, n)
		w.call("fill", bulkMemory-n, v+1, n) // to the last byte
		if w.traps != 0 {
			t.Fatalf("filling %d bytes trapped", n)
		}
		w.call("fill", bulkMemory-n+1, v+2, n) // one byte too far
		w.call("fill", 0xffffffff, v, n)
		w.call("fill", -n, v, n) // to 4 GiB
		w.call("fill", 1-n, v, n)
		w.traps = 0
	}
	for _, n := range []uint32{bulkMemory, bulkMemory + 1, 1 << 31, 0xffffffff} {
		w.call("fill", 0, 7, n)
		w.call("fill", 1, 8, n)
	}
}

func TestLongCopy(t *testing.T) {
	w := newTwin(t, assemble(t, bulkGuest()))
	for _, n := range lengths {
		for _, shift := range []uint32{0, 1, 7, short, chunk - 1, chunk, chunk + 1, chunk + chunk/2, 3 * chunk / 2} {
			w.call("copy", 5, 5+shift, n)
			w.call("copy", 5+shift, 5, n)
		}
		w.call("copy", bulkMemory-n, 0, n)
		w.call("copy", 0, bulkMemory-n, n)
		if w.traps != 0 {
			t.Fatalf("copying %d bytes trapped", n)
		}
		w.call("copy", bulkMemory-n+1, 0, n)
		w.call("copy", 0, bulkMemory-n+1, n)
		w.call("copy", -n, 0, n)
		w.call("copy", 0, -n, n)
		w.call("copy", 1-n, 2-n, n)
		w.call("copy", bulkMemory, 0xffffffff, n)
		w.traps = 0
	}
	for _, n := range []uint32{bulkMemory, bulkMemory + 1, 0xffffffff} {
		for _, p := range [][2]uint32{{0, 0}, {0, 1}, {1, 0}, {0xffffffff, 0xffffffff}} {
			w.call("copy", p[0], p[1], n)
		}
	}
}

func TestLongInit(t *testing.T) {
	w := newTwin(t, assemble(t, bulkGuest()))
	for dropped := range 2 {
		for _, n := range append([]uint32{segment - 1, segment, segment + 1}, lengths...) {
			w.call("init", 9, 0, n)
			w.call("init", bulkMemory-n, 0, n)
			w.call("init", bulkMemory-n+1, 0, n)
			w.call("init", 0, segment-n, n)
			w.call("init", 0, segment-n+1, n)
			w.call("init", 0, -n, n)
			w.call("init", 0, 1-n, n)
			w.call("init", -n, 0, n)
			w.call("small", 0, 0, n)
		}
		w.call("small", 0, 3, 7)
		w.call("small", 0, 3, 8)
		if before := w.traps; dropped == 0 {
			w.call("drop", 0, 0, 0)
			w.call("init", 0, 0, 2*chunk)
			if w.traps != before+1 {
				t.Error("a dropped segment can be read")
			}
		}
	}
}

// TestLongInitBeyond32Bits has a memory so large that source and length may sum up to 4 GiB though the destination fits.
func TestLongInitBeyond32Bits(t *testing.T) {
	engine := newEngine()
	wat := strings.Replace(bulkGuest(), fmt.Sprintf(`"memory") %d`, bulkPages), `"memory") 65536`, 1)
	m, err := wasmtime.NewModule(engine, instrument(t, assemble(t, wat)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	store := wasmtime.NewStore(engine)
	defer store.Close()
	in, err := wasmtime.NewInstance(store, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]uint32{{0, 1, 0xffffffff}, {1, 1, 0xffffffff}, {0, 2, 0xfffffffe}, {0, chunk, 1<<32 - chunk}, {0, 3, 0xfffffffe}} {
		_, err := in.GetFunc(store, "init").Call(store, int32(c[0]), int32(c[1]), int32(c[2]))
		if err == nil || trapText(err) != fmt.Sprintf("trap %d", wasmtime.MemoryOutOfBounds) {
			t.Errorf("init%#x: %v", c, err)
		}
	}
	for i, b := range in.GetExport(store, "memory").Memory().UnsafeData(store)[:2*chunk] {
		if b != 0 {
			t.Fatalf("byte %d was written", i)
		}
	}
}

// TestBulkAtRandom mixes the instructions, with operands near whatever may be a border.
func TestBulkAtRandom(t *testing.T) {
	w := newTwin(t, assemble(t, bulkGuest()))
	r := rand.New(rand.NewPCG(1, 2))
	borders := []uint32{0, short, chunk, 2 * chunk, 3 * chunk, segment, bulkMemory - chunk, bulkMemory, 1 << 31}
	near := func() uint32 {
		v := borders[r.IntN(len(borders))]
		if r.IntN(3) == 0 {
			v = r.Uint32N(bulkMemory)
		}
		return v + r.Uint32N(9) - 4
	}
	names := []string{"fill", "copy", "copy", "init"}
	const rounds = 400
	for range rounds {
		w.call(names[r.IntN(len(names))], near(), near(), near())
	}
	if w.traps < rounds/10 || w.traps > rounds*9/10 {
		t.Errorf("%d of %d traps", w.traps, rounds)
	}
}

// TestInstrumentedTrapsNameTheirFunction looks at the trace of a long fill that is out of bounds.
func TestInstrumentedTrapsNameTheirFunction(t *testing.T) {
	w := newTwin(t, assemble(t, `(module (memory (export "memory") 1)
		(func $clear (export "f") (param i32) (memory.fill (i32.const 0) (i32.const 0) (local.get 0))))`))
	_, err := w.guest[1].GetFunc(w.store[1], "f").Call(w.store[1], int32(1<<20))
	var trap *wasmtime.Trap
	if !errors.As(err, &trap) {
		t.Fatalf("%v", err)
	}
	var names []string
	for _, f := range trap.Frames() {
		names = append(names, *f.FuncName())
	}
	if got := strings.Join(names, " "); got != "$"+wasmbin.Reserved+"memory_fill $clear" {
		t.Errorf("the trace is %s", got)
	}
}
