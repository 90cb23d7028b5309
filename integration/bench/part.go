//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// part is what is measured, running: in a child process, or in this one with -inside.
type part struct {
	addresses
	pid  int // of the child; 0 inside this process
	stop func() error
}

// Functions that are measured.
var (
	tiny   = faas.Name{Tenant: "bench", Function: "tiny"}   // testdata/echo.wat
	sleepy = faas.Name{Tenant: "bench", Function: "sleepy"} // testdata/sleep.wat
	goEcho = faas.Name{Tenant: "bench", Function: "go"}     // examples/echo
)

//go:embed testdata/echo.wat
var tinyText string

//go:embed testdata/sleep.wat
var sleepText string

// goEchoFile is where `make examples` builds examples/echo.
const goEchoFile = "bin/examples/echo.wasm"

// open returns the part called what, starting it when it is not there.
func (b *bench) open(ctx context.Context, what string) (*part, error) {
	if p := b.parts[what]; p != nil {
		return p, nil
	}
	p, err := b.start(ctx, what)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", what, err)
	}
	if b.parts == nil {
		b.parts = map[string]*part{}
	}
	b.parts[what] = p
	b.closers = append(b.closers, func() {
		if err := p.stop(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: stop %s: %v\n", what, err)
		}
	})
	switch what {
	case serveShoal, shoalProcesses, shoalCluster:
		return p, deploy(ctx, p)
	}
	return p, nil
}

func (b *bench) start(ctx context.Context, what string) (*part, error) {
	switch what {
	case shoalProcesses:
		return startLayout(ctx, layout{gateways: 1, planners: 1, workers: 1, queue: queue})
	case shoalCluster:
		return startLayout(ctx, layout{gateways: 2, planners: 2, workers: clusterWorkers, slots: clusterSlots})
	case plainProcesses:
		return startPlainProcesses(ctx)
	}
	if b.inside {
		return startInside(ctx, what)
	}
	return startChild(ctx, what)
}

const startPatience = 30 * time.Second

func startChild(ctx context.Context, what string) (*part, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), serveVariable+"="+what)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = startPatience
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &part{pid: cmd.Process.Pid, stop: func() error {
		_ = in.Close() // the child ends
		return cmd.Wait()
	}}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.addresses)
	}
	if err != nil {
		_ = p.stop() // err says more
		return nil, err
	}
	return p, nil
}

func startInside(ctx context.Context, what string) (*part, error) {
	ctx, cancel := context.WithCancel(ctx)
	done, ready := make(chan error, 1), make(chan addresses, 1)
	go func() { done <- serve(ctx, what, func(a addresses) { ready <- a }) }()
	select {
	case a := <-ready:
		return &part{addresses: a, stop: func() error {
			cancel()
			return <-done
		}}, nil
	case err := <-done:
		cancel()
		return nil, err
	}
}

// deploy deploys the functions that are measured.
func deploy(ctx context.Context, p *part) error {
	c, err := apiclient.New(apiclient.Config{URL: "http://" + p.HTTP})
	if err != nil {
		return err
	}
	defer c.Close()
	module, err := faaslettest.Assemble(tinyText)
	if err != nil {
		return err
	}
	sleeper, err := faaslettest.Assemble(sleepText)
	if err != nil {
		return err
	}
	modules := map[faas.Name][]byte{tiny: module, sleepy: sleeper}
	if b, err := os.ReadFile(goEchoFile); err == nil {
		modules[goEcho] = b
	}
	for name, m := range modules {
		if _, err := c.Deploy(ctx, name, apiclient.Module{Body: bytes.NewReader(m), Size: int64(len(m))}, apiclient.Settings{}); err != nil {
			return fmt.Errorf("deploy %s: %w", name, err)
		}
		if err := deployed(ctx, p, name); err != nil {
			return err
		}
	}
	return nil
}

// profileOf writes CPU and allocation profiles of Shoal's process while f's value is taken.
func (b *bench) profileOf(ctx context.Context, f *figure) error {
	p := b.parts[serveShoal]
	if p == nil || p.Pprof == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	const length = 3 * time.Second
	done := make(chan error, 1)
	go func() {
		_, err := f.value(ctx, length+500*time.Millisecond)
		done <- err
	}()
	seconds := fmt.Sprintf("?seconds=%d", int(length.Seconds()))
	for name, query := range map[string]string{"cpu": "profile" + seconds} {
		if err := fetch(ctx, "http://"+p.Pprof+"/debug/pprof/"+query, filepath.Join(b.profile, f.key+"."+name+".prof")); err != nil {
			return err
		}
	}
	if err := fetch(ctx, "http://"+p.Pprof+"/debug/pprof/allocs", filepath.Join(b.profile, f.key+".allocs.prof")); err != nil {
		return err
	}
	return <-done
}

func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
