//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// faasmKiB is what the paper gives for a Faaslet restored from a Proto-Faaslet (Table 3).
const faasmKiB = 90

const (
	maxFilled = 200_000 // Faaslets over all processes at which density.max stops
	reserve   = 3 << 30 // bytes of memory at which it stops too
	noLimit   = 1 << 30 // Faaslets: as many as the engine admits
)

// filled is what a child says that made Faaslets and keeps them.
type filled struct {
	Made int     `json:"made"`
	KiB  float64 `json:"kib"` // for each: proportional set size and page tables
}

// densityFigures are memory and number of idle Faaslets, in processes of their own.
func (b *bench) densityFigures() []*figure {
	kib := func(what string, n int) probe {
		return func(ctx context.Context, _ time.Duration) (float64, error) {
			var got filled
			p, err := startFamily(ctx, func(ctx context.Context, f *family) (a addresses, err error) {
				a, err = f.answering(ctx, what, strconv.Itoa(n))
				got = a.Filled
				return a, err
			})
			if err != nil {
				return 0, err
			}
			if err := p.stop(); err != nil {
				return 0, err
			}
			if got.Made < n {
				return 0, fmt.Errorf("%d Faaslets were admitted, of %d", got.Made, n)
			}
			return got.KiB, nil
		}
	}
	constant := func(context.Context, time.Duration) (float64, error) { return faasmKiB, nil }
	const faasm = "published for Faasm"
	return []*figure{
		{
			key: "density.idle_kib", unit: "KiB", what: "PSS and page tables of an idle Faaslet that served a call and was reset, 1 000 in a process",
			value: kib(serveFaaslets, 1000), baseline: constant, baselineName: faasm,
		},
		{
			key: "density.idle_kib.n10000", unit: "KiB", what: "the same, 10 000 in a process",
			value: kib(serveFaaslets, 10_000), baseline: constant, baselineName: faasm,
		},
		{
			key: "density.running_kib", unit: "KiB", what: "PSS and page tables of a Faaslet in the middle of its call, with its thread, 1 000 in a process",
			value: kib(serveRunning, 1000), baseline: constant, baselineName: faasm,
		},
		{
			key: "density.running_kib.n7000", unit: "KiB", what: "the same, 7 000 in a process: Go stops at 10 000 threads, and the kernel at 65 530 maps",
			value: kib(serveRunning, 7000), baseline: constant, baselineName: faasm,
		},
		{
			key: "density.max", unit: "Faaslets", what: fmt.Sprintf("idle Faaslets kept at once by as many processes as fit, stopped at %d or %d GiB of free memory; taken once", maxFilled, reserve>>30),
			value: once(mostFaaslets),
		},
	}
}

// once takes a probe the first time and repeats its value.
func once(p probe) probe {
	taken, value := false, 0.0
	return func(ctx context.Context, d time.Duration) (_ float64, err error) {
		if !taken {
			value, err = p(ctx, d)
			taken = err == nil
		}
		return value, err
	}
}

// mostFaaslets fills one process after the other.
func mostFaaslets(ctx context.Context, _ time.Duration) (float64, error) {
	total := 0
	p, err := startFamily(ctx, func(ctx context.Context, f *family) (addresses, error) {
		for total < maxFilled {
			free, err := statusKiB("/proc/meminfo", "MemAvailable")
			if err != nil {
				return addresses{}, err
			}
			if free<<10 < reserve {
				break
			}
			a, err := f.answering(ctx, serveFaaslets, strconv.Itoa(noLimit))
			if err != nil {
				return addresses{}, err
			}
			if a.Filled.Made == 0 {
				return addresses{}, errors.New("a process made no Faaslet")
			}
			total += a.Filled.Made
		}
		return addresses{}, nil
	})
	if err != nil {
		return 0, err
	}
	return float64(total), p.stop()
}

// runFaaslets is the child: it makes up to n Faaslets, says what they take and keeps them until ctx ends.
func runFaaslets(ctx context.Context, n int, up func(addresses)) error {
	b := &bench{}
	defer b.close()
	l, err := b.openLab()
	if err != nil {
		return err
	}
	_, drop, err := l.Fill(ctx, 1) // what the first one takes is not counted: the engine, code, the image
	if err != nil {
		return err
	}
	defer drop()
	before, err := resident()
	if err != nil {
		return err
	}
	made, drop2, err := l.Fill(ctx, n)
	if err != nil {
		return err
	}
	defer drop2()
	after, err := resident()
	if err != nil {
		return err
	}
	up(addresses{Filled: filled{Made: made, KiB: float64(after-before) / float64(made)}})
	<-ctx.Done()
	return nil
}

// runRunning is the child that keeps n Faaslets in the middle of their calls.
func runRunning(ctx context.Context, n int, up func(addresses)) (err error) {
	r, err := faaslettest.NewRunning()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	calls := context.WithoutCancel(ctx)
	if err := r.Fill(calls, 1); err != nil {
		return err
	}
	before, err := resident()
	if err != nil {
		return err
	}
	if err := r.Fill(calls, n); err != nil {
		return err
	}
	after, err := resident()
	if err != nil {
		return err
	}
	up(addresses{Filled: filled{Made: n, KiB: float64(after-before) / float64(n)}})
	<-ctx.Done()
	return nil
}

// resident returns the proportional set size of this process and its page tables, in KiB.
func resident() (int, error) {
	pss, err := statusKiB("/proc/self/smaps_rollup", "Pss")
	if err != nil {
		return 0, err
	}
	tables, err := statusKiB("/proc/self/status", "VmPTE")
	return pss + tables, err
}

// statusKiB reads a line "NAME: N kB" of a file in /proc.
func statusKiB(file, name string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if n, value, _ := strings.Cut(line, ":"); n == name {
			return strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
