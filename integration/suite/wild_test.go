package suite

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/services/standalone"
)

// wildValues are what pointers and lengths go wrong with first: the ends of a memory of two pages, of signed and of
// unsigned numbers.
var wildValues = []uint64{0, 1<<17 - 1, 1 << 17, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 1<<64 - 1}

// plain is a value that does no harm as a pointer, a length or a descriptor.
const plain = 64

// Guarantee 3: a guest cannot stop the worker, whatever it passes to any host function.
func TestWildPointers(t *testing.T) {
	s := start(t, standalone.Config{Queue: 64})
	table := slices.DeleteFunc(hostapi.New(), func(r hostapi.Row) bool { return r.Support == hostapi.Unsupported })
	s.Deploy(t, "t/wild", wasm(t, watWild(table)), "timeout=300ms")

	throws := make(chan throw)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for th := range throws {
				if err := th.at(t.Context(), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	n := 0
	for i := range table {
		for _, args := range wildArgs(len(table[i].Params)) {
			throws <- throw{&table[i], i, args}
			n++
		}
	}
	close(throws)
	wg.Wait()
	t.Logf("%d calls of %d host functions", n, len(table))
	stillAnswers(t, s)
	s.AwaitIdle(t)
}

// throw is one host function called with wild arguments.
type throw struct {
	row  *hostapi.Row
	i    int
	args []uint64
}

// at calls the guest. Whatever the function makes of the arguments, the call ends with the guest's success or a fault of
// the guest's, soon.
func (th throw) at(ctx context.Context, s *framework.Standalone) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	input := binary.LittleEndian.AppendUint32(nil, uint32(th.i))
	input = append(input, 0, 0, 0, 0)
	for _, a := range th.args {
		input = binary.LittleEndian.AppendUint64(input, a)
	}
	a, err := s.Do(ctx, framework.Request{Method: http.MethodPost, Path: "/v1/call/t/wild", Body: input})
	if err != nil {
		return fmt.Errorf("%s%x: %w", th.row.Name, th.args, err)
	}
	if a.Err == nil {
		return nil
	}
	switch a.Err.Code {
	case faas.GuestTrapped: // functions of WASI answer with an errno
		if th.row.Module != "env" {
			return fmt.Errorf("%s%x: %w", th.row.Name, th.args, a.Err)
		}
		words := "outside the guest's memory of 131072 bytes"
		switch th.row.Name {
		case "abort":
			words = "the guest called abort"
		case "getpwuid", "getpwnam": // this guest has none
			words = "does not export a function malloc"
		}
		if !strings.Contains(a.Err.Message, th.row.Name) || !strings.Contains(a.Err.Message, words) {
			return fmt.Errorf("%s%x traps with the words %q", th.row.Name, th.args, a.Err.Message)
		}
		return nil
	case faas.GuestFailed:
		switch th.row.Name {
		case "proc_exit", "exit", "_Exit":
			return nil
		}
	case faas.DeadlineExceeded:
		if th.row.Name == "poll_oneoff" { // an hour is as good a time to sleep as any
			return nil
		}
	}
	return fmt.Errorf("%s%x: %w", th.row.Name, th.args, a.Err)
}

// wildArgs are lists of n arguments: the same everywhere, and each alone among plain ones.
func wildArgs(n int) [][]uint64 {
	var out [][]uint64
	for _, v := range wildValues {
		all := make([]uint64, n)
		for i := range all {
			all[i] = v
		}
		out = append(out, all)
		for alone := range n {
			args := make([]uint64, n)
			for i := range args {
				args[i] = plain
			}
			args[alone] = v
			out = append(out, args)
		}
	}
	return out
}

// watWild is a guest that calls the host function whose index its input begins with, with the arguments that follow.
func watWild(table hostapi.Table) string {
	types := map[hostapi.ValType]string{hostapi.I32: "i32", hostapi.I64: "i64", hostapi.F32: "f32", hostapi.F64: "f64"}
	var imports, calls, elems strings.Builder
	for i, row := range table {
		fmt.Fprintf(&imports, "(import %q %q (func $f%d (param", row.Module, row.Name, i)
		for _, p := range row.Params {
			imports.WriteString(" " + types[p.Type])
		}
		imports.WriteString(")")
		fmt.Fprintf(&calls, "(func $call%d ", i)
		for _, r := range row.Results {
			fmt.Fprintf(&imports, " (result %s)", types[r])
			calls.WriteString("(drop ")
		}
		imports.WriteString("))\n")
		fmt.Fprintf(&calls, "(call $f%d", i)
		for j, p := range row.Params {
			fmt.Fprintf(&calls, " (%s.load (i32.const %d))", types[p.Type], 1024+8+8*j)
		}
		calls.WriteString(strings.Repeat(")", 2+len(row.Results)) + "\n")
		fmt.Fprintf(&elems, " $call%d", i)
	}
	return fmt.Sprintf(`(module
	  %s
	  (import "env" "__faasm_read_input" (func $input (param i32 i32) (result i32)))
	  (memory (export "memory") 2)
	  (table %d funcref)
	  (elem (i32.const 0)%s)
	  (type $plain (func))
	  %s
	  (func (export "handle")
	    (drop (call $input (i32.const 1024) (i32.const 256)))
	    (call_indirect (type $plain) (i32.load (i32.const 1024)))))`, &imports, len(table), &elems, &calls)
}
