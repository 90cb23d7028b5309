//go:build linux && cgo

package faaslettest

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// kernelsModule is testdata/kernels.c, which says how it was built.
//
//go:embed testdata/kernels.wasm
var kernelsModule []byte

// KernelNames are the kernels, each a function that computes for some milliseconds and calls nothing of the host's.
var KernelNames = [...]string{"matmul", "nbody", "sieve", "fib", "chase", "crc", "jacobi"}

// Kernels has the kernels compiled with the engine's settings twice: as they are, and with what makes a guest
// interruptible. It is not safe for concurrent use.
type Kernels struct {
	engine          *wasmtime.Engine
	plain, polled   *wasmtime.Instance
	stores          [2]*wasmtime.Store
	plainM, polledM *wasmtime.Module
}

// NewKernels compiles the kernels. The caller closes them.
func NewKernels() (*Kernels, error) {
	cfg := wasmtime.NewConfig()
	cfg.SetCraneliftOptLevel(wasmtime.OptLevelSpeed)
	capi.Configure(cfg, capi.Memory{Reserve: 4 << 30, Guard: 2 << 20}, true)
	k := &Kernels{engine: wasmtime.NewEngineWithConfig(cfg)}
	interruptible, err := wasmbin.Instrument(kernelsModule)
	if err == nil {
		k.plainM, k.plain, k.stores[0], err = k.instance(kernelsModule)
	}
	if err == nil {
		k.polledM, k.polled, k.stores[1], err = k.instance(interruptible)
	}
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("compile kernels: %w", err)
	}
	return k, nil
}

func (k *Kernels) instance(module []byte) (*wasmtime.Module, *wasmtime.Instance, *wasmtime.Store, error) {
	m, err := wasmtime.NewModule(k.engine, module)
	if err != nil {
		return nil, nil, nil, err
	}
	s := wasmtime.NewStore(k.engine)
	in, err := wasmtime.NewInstance(s, m, nil)
	return m, in, s, err
}

// Times runs a kernel n times each way, in turns, and returns the times that a tenth of the runs stay below: what else
// the machine does only adds to them, and to one kernel of seven more than to the others.
func (k *Kernels) Times(name string, n int) (interruptible, plain time.Duration, err error) {
	var took [2][]time.Duration
	var sum [2]any
	plainF, polledF := k.plain.GetFunc(k.stores[0], name), k.polled.GetFunc(k.stores[1], name)
	for i := range 2 * n {
		way, f := (i+i/2)%2, plainF // the first of a pair changes
		if way == 1 {
			f = polledF
		}
		began := time.Now()
		if sum[way], err = f.Call(k.stores[way]); err != nil {
			return 0, 0, err
		}
		took[way] = append(took[way], time.Since(began))
	}
	if sum[0] != sum[1] {
		return 0, 0, fmt.Errorf("kernel %s: %v, interruptible %v", name, sum[0], sum[1])
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[1][n/10], took[0][n/10], nil
}

// Ratios runs all kernels as Times does, and returns what each takes interruptible ÷ as it is, in the order of
// KernelNames.
func (k *Kernels) Ratios(n int) ([]float64, error) {
	out := make([]float64, len(KernelNames))
	for i, name := range KernelNames {
		polled, plain, err := k.Times(name, n)
		if err != nil {
			return nil, err
		}
		out[i] = float64(polled) / float64(plain)
	}
	return out, nil
}

// Geomean returns the geometric mean of ratios.
func Geomean(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

// Close frees the kernels.
func (k *Kernels) Close() {
	for _, s := range k.stores {
		if s != nil {
			s.Close()
		}
	}
	for _, m := range []*wasmtime.Module{k.plainM, k.polledM} {
		if m != nil {
			m.Close()
		}
	}
	k.engine.Close()
}
