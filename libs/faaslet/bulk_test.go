//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// watLong has a memory of 1.5 GiB and a body that works on 1 GiB of it; 1 at address 16 says that it has ended.
const watLong = `(module
  (memory (export "memory") 24576)
  (func (export "handle") %s (i32.store (i32.const 16) (i32.const 1))))`

// TestLongInstructionsEndAtTheDeadline has guests whose last instruction writes 1 GiB, which takes many times the
// deadline. That it was ended within shows in the memory: what is written last is still zero.
func TestLongInstructionsEndAtTheDeadline(t *testing.T) {
	e := newEngine(t, nil)
	const n, last = 1 << 30, 1<<30 + 31 // bytes; address of the last one when the destination is 32
	for _, c := range []struct {
		name, body string
		last       int // address of what is written last
	}{
		{"fill", `(memory.fill (i32.const 32) (i32.const 1) (i32.const 0x40000000))`, last},
		{"copy down", `(i32.store8 (i32.const 0x500000ff) (i32.const 1))
			(memory.copy (i32.const 32) (i32.const 0x10000100) (i32.const 0x40000000))`, last},
		{"copy up", `(i32.store8 (i32.const 32) (i32.const 1))
			(memory.copy (i32.const 0x10000100) (i32.const 32) (i32.const 0x40000000))`, 0x10000100},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFaaslet(t, load(t, e, fmt.Sprintf(watLong, c.body)), Setup{Memory: 2 * faas.GiB})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			wantCode(t, f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{})), faas.DeadlineExceeded)
			mem := f.instance.Memory()
			if mem[c.last] != 0 || binary.LittleEndian.Uint32(mem[16:]) != 0 {
				t.Errorf("the guest went on to the end: %d at %#x, %d at 16", mem[c.last], c.last, mem[16])
			}
		})
	}
}

// TestLongInstructionsHaveInterruptionPoints kills the guest just before the instruction, in a function without a loop or
// a call after that: a long row of such instructions must end too.
func TestLongInstructionsHaveInterruptionPoints(t *testing.T) {
	e := newEngine(t, hostapi.Table{{Module: "test", Name: "kill", Func: func(c *hostapi.Call, _ guest.Memory, _ hostapi.Args) (uint64, error) {
		c.Guest.(*host).faaslet.instance.Kill()
		return 0, nil
	}}})
	for _, op := range []string{
		`(memory.fill (i32.const 64) (i32.const 1) (i32.const 4097))`,
		`(memory.copy (i32.const 64) (i32.const 65) (i32.const 4097))`,
		`(memory.init $d (i32.const 64) (i32.const 0) (i32.const 3))`,
		`(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))`,
		`(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 4))`,
		`(table.fill $t (i32.const 0) (ref.null func) (i32.const 4))`,
	} {
		f := newFaaslet(t, load(t, e, `(module (import "test" "kill" (func $kill)) (memory (export "memory") 1)
		  (data $d "abc") (table $t 8 funcref) (elem $e func $kill)
		  (func (export "handle") (call $kill) `+op+` (i32.store (i32.const 16) (i32.const 1))))`), Setup{})
		o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{}))
		if o.Err == nil || !f.instance.Killed() || f.instance.Memory()[16] != 0 || f.instance.Memory()[64] != 0 {
			t.Errorf("%s: not ended before it: %v", op, o.Err)
		}
	}
}

// TestStraightCodeEndsAtTheDeadline has code without a loop or a call that stores to fresh pages, for much longer than the
// deadline, and jumps over what would stand after each 10 kB of it.
func TestStraightCodeEndsAtTheDeadline(t *testing.T) {
	var b strings.Builder
	const stores = 100_000
	for i := range stores {
		if i%1000 == 0 {
			b.WriteString("(block ")
		}
		fmt.Fprintf(&b, "(i32.store8 (i32.const %d) (i32.const 1))", 32+i*4096)
		if i%1000 == 999 {
			b.WriteString("(br 0) (unreachable))")
		}
	}
	f := newFaaslet(t, load(t, newEngine(t, nil), fmt.Sprintf(`(module (memory (export "memory") 32768)
	  (func (export "handle") %s (i32.store (i32.const 16) (i32.const 1))))`, b.String())), Setup{Memory: 2 * faas.GiB})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantCode(t, f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{})), faas.DeadlineExceeded)
	if mem := f.instance.Memory(); mem[32+(stores-1)*4096] != 0 || mem[16] != 0 {
		t.Error("the guest went on to the end")
	}
}

// TestTablesTogether has tables that start and grow as far as they may: past the limit of all, growing fails.
func TestTablesTogether(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1) (table $a 10 funcref) (table $b 10 externref) (table $c 65536 funcref)
	  (func $grow (param $n i32) (result i32) (i32.and
	    (i32.ne (table.grow $a (ref.null func) (local.get $n)) (i32.const -1))
	    (i32.ne (table.grow $b (ref.null extern) (local.get $n)) (i32.const -1))))
	  (func (export "handle") (result i32)
	    (if (i32.eqz (call $grow (i32.const 300000))) (then (return (i32.const 1))))
	    (if (call $grow (i32.const 100000)) (then (return (i32.const 2))))
	    (if (i32.gt_u (i32.add (table.size $a) (i32.add (table.size $b) (table.size $c))) (i32.const 1048576)) (then (return (i32.const 3))))
	    (i32.const 0)))`)
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil {
		t.Error(o.Err)
	}
}
