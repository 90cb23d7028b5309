//go:build linux && cgo

package faaslet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// TestInitialisersWriteLess has an initialiser allocate what it may write, and a byte more: nobody counts it with a call's.
func TestInitialisersWriteLess(t *testing.T) {
	const guest = `(module
	  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 8) "f")
	  (func $try (param i32) (if (local.get 0) (then (unreachable))))
	  (func (export "_initialize")
	    (call $try (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 1) (i64.const 0x1ff) (i64.const 0) (i32.const 0) (i32.const 16)))
	    (call $try (call $allocate (i32.const 4) (i64.const 0) (i64.const %d))))
	  (func (export "handle")))`
	e := newEngine(t, hostapi.New())
	newFaaslet(t, load(t, e, fmt.Sprintf(guest, faas.InitFileBytes)), Setup{}).Close()
	_, err := load(t, e, fmt.Sprintf(guest, faas.InitFileBytes+1)).New(t.Context(), Setup{})
	if err == nil || err.Code != faas.GuestTrapped || !strings.Contains(err.Message, "initialiser") {
		t.Errorf("a byte more: %v", err)
	}
}
