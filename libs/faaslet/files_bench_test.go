//go:build linux && cgo

package faaslet

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// tmpfs returns a folder in memory with a file of 4 KiB.
func tmpfs(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "shoal")
	if err != nil {
		dir = b.TempDir()
	} else {
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "file"), make([]byte, 4096), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// guestOf has a guest do body a thousand times for each call.
func guestOf(b *testing.B, cfg hostapi.CallConfig, body string) *Faaslet {
	b.Helper()
	m := load(b, newEngine(b, nil), fmt.Sprintf(`(module
	  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 0) "d/file")
	  (data (i32.const 16) "\00\10\00\00\00\10\00\00") ;; 4096 bytes at 4096
	  (data (i32.const 24) "\00\10\00\00\40\00\00\00") ;; 64 bytes there
	  (func $try (param i32) (if (local.get 0) (then (unreachable))))
	  (func (export "handle") (local $i i32)
	    (loop $l
	      %s
	      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))))`, body))
	f := newFaaslet(b, m, Setup{})
	f.host.begin(b.Context(), hostapi.NewCall(cfg))
	b.Cleanup(f.host.end)
	return f
}

func (f *Faaslet) bench(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, fail := f.instance.Call(); fail != nil {
			b.Fatal(fail)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/each")
}

// BenchmarkFdWrite64 is fd_write of 64 bytes to stdout in a guest.
func BenchmarkFdWrite64(b *testing.B) {
	guestOf(b, hostapi.CallConfig{Kind: "reactor"}, `(call $try (call $write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 40)))`).bench(b)
}

// BenchmarkReadFile opens, reads and closes a file of 4 KiB: a shared one in a guest, beside the same without a guest.
func BenchmarkReadFile(b *testing.B) {
	dir := tmpfs(b)
	body := `
	  (call $try (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 6) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 40)))
	  (call $try (call $read (i32.load (i32.const 40)) (i32.const 16) (i32.const 1) (i32.const 44)))
	  (call $try (call $close (i32.load (i32.const 40))))`
	b.Run("guest", func(b *testing.B) {
		tree, err := vfstest.Folder(dir)
		if err != nil {
			b.Fatal(err)
		}
		guestOf(b, hostapi.CallConfig{Shared: tree}, body).bench(b)
	})
	b.Run("guest, in memory", func(b *testing.B) {
		guestOf(b, hostapi.CallConfig{Shared: vfstest.New(map[string]string{"d/file": string(make([]byte, 4096))})}, body).bench(b)
	})
	b.Run("native, os", func(b *testing.B) {
		buf := make([]byte, 4096)
		b.ReportAllocs()
		for b.Loop() {
			f, err := os.Open(dir + "/d/file")
			if err != nil {
				b.Fatal(err)
			}
			if n, err := f.Read(buf); n != len(buf) {
				b.Fatal(err)
			}
			_ = f.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/each")
	})
	b.Run("native, system calls", func(b *testing.B) {
		buf := make([]byte, 4096)
		for b.Loop() {
			fd, err := syscall.Open(dir+"/d/file", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			if n, err := syscall.Read(fd, buf); n != len(buf) {
				b.Fatal(err)
			}
			_ = syscall.Close(fd)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/each")
	})
}
