//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// variants are a module without the pre-pass and with it.
var variants = []struct {
	name    string
	compile func(testing.TB, *Engine, []byte) []byte
}{
	{"plain", func(b testing.TB, e *Engine, module []byte) []byte {
		m, err := wasmtime.NewModule(e.engine, module)
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close()
		artefact, err := m.Serialize()
		if err != nil {
			b.Fatal(err)
		}
		return artefact
	}},
	{"instrumented", func(b testing.TB, e *Engine, module []byte) []byte {
		artefact, err := e.Compile(module)
		if err != nil {
			b.Fatal(err)
		}
		return artefact
	}},
}

func loadArtefact(b testing.TB, e *Engine, artefact []byte) *Module {
	b.Helper()
	m, err := e.LoadBytes(artefact, wasmbin.Info{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	return m
}

// BenchmarkLateness is how long after its deadline of 10 ms a guest ends that writes so much with one instruction, into
// fresh memory: instrumented at most as long as one chunk takes, and what the kernel needs to see the deadline.
func BenchmarkLateness(b *testing.B) {
	e := newEngine(b, nil)
	for _, op := range []string{
		`(memory.fill (i32.const 0) (i32.const 1) (i32.const %[1]d))`,
		`(memory.copy (i32.const 0) (i32.const 1) (i32.const %[1]d))`,
	} {
		for _, mib := range []uint32{128, 512, 1024, 4095} {
			for _, v := range variants {
				b.Run(fmt.Sprintf("%s/%dMiB/%s", op[1:12], mib, v.name), func(b *testing.B) {
					m := loadArtefact(b, e, v.compile(b, e, assemble(b, `(module (memory (export "memory") 65536)
						(func (export "handle") `+fmt.Sprintf(op, mib<<20)+` (loop $l (br $l))))`)))
					worst := time.Duration(0)
					for b.Loop() {
						f := newFaaslet(b, m, Setup{Memory: 4 * faas.GiB})
						ctx, cancel := context.WithTimeout(b.Context(), 10*time.Millisecond)
						o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{}))
						deadline, _ := ctx.Deadline()
						worst = max(worst, time.Since(deadline))
						cancel()
						wantCode(b, o, faas.DeadlineExceeded)
						f.Close()
					}
					b.ReportMetric(float64(worst.Microseconds())/1000, "ms-late")
				})
			}
		}
	}
}

// BenchmarkShortCopies is what the pre-pass adds to a copy of ordinary length.
func BenchmarkShortCopies(b *testing.B) {
	const per = 10000
	e := newEngine(b, nil)
	for _, n := range []int{16, 64, 256, 1024, 4096, 16384} {
		for _, v := range variants {
			b.Run(fmt.Sprintf("%d/%s", n, v.name), func(b *testing.B) {
				m := loadArtefact(b, e, v.compile(b, e, assemble(b, fmt.Sprintf(`(module (memory (export "memory") 4)
					(global $n (mut i32) (i32.const %d))
					(func (export "handle") (local $i i32)
						(loop $l
							(memory.copy (i32.and (local.get $i) (i32.const 4095))
								(i32.add (i32.const 65536) (i32.and (local.get $i) (i32.const 4095))) (global.get $n))
							(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const %d))))))`, n, per))))
				f := newFaaslet(b, m, Setup{})
				for b.Loop() {
					if _, fail := f.instance.Call(); fail != nil {
						b.Fatal(fail)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/per, "ns/copy")
			})
		}
	}
}

// goMoves copies and clears small pieces of every length up to 4 KiB, and appends.
const goMoves = `package main

var from, to [8192]byte

var keep []string

//go:wasmexport handle
func handle() int32 {
	for i := range 10000 {
		n := 1 + i*37%4096
		copy(to[i%1024:], from[:n])
		clear(to[:n/2])
		copy(to[i%64:], from[i%512:i%512+64])
	}
	s := make([]byte, 0, 512)
	for i := range 10000 {
		s = append(s[:i%200], from[:i%100]...)
	}
	keep = append(keep[:0], string(s))
	return 0
}

func main() {}
`

// BenchmarkGoMoves is a Go guest that does little but move memory.
func BenchmarkGoMoves(b *testing.B) {
	testenv.Need(b, testenv.GoWasm)
	dir := b.TempDir()
	for name, text := range map[string]string{"go.mod": "module guest\n\ngo 1.26\n", "main.go": goMoves} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building the guest: %v\n%s", err, out)
	}
	guest, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	e := newEngine(b, nil)
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			f := newFaaslet(b, loadArtefact(b, e, v.compile(b, e, guest)), Setup{})
			f.host.begin(b.Context(), hostapi.NewCall(hostapi.CallConfig{}))
			for b.Loop() {
				if _, fail := f.instance.Call(); fail != nil {
					b.Fatal(fail)
				}
			}
		})
	}
}
