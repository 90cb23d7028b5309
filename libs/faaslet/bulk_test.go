//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/binary"
	"fmt"
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
