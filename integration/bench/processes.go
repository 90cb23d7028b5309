//go:build linux && cgo

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
	"github.com/shoal-run/shoal/services/gateway/gatewayd"
	"github.com/shoal-run/shoal/services/planner/plannerd"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/upload/uploadd"
	"github.com/shoal-run/shoal/services/worker/workerd"
)

// layout is Shoal as processes of their own: how many of each there are, beside one NATS server and one upload service.
type layout struct {
	gateways, planners, workers int
	slots, queue                int // of a worker; 0: its default
}

// program returns the service that a child is to be, or nil when what is something else. It is the same code as in the
// service's own command.
func program(what string) *process.Program {
	switch what {
	case "gateway":
		return gatewayd.New()
	case "planner":
		return plannerd.New()
	case "worker":
		return workerd.New()
	case "upload":
		return uploadd.New()
	}
	return nil
}

// family is a part that is several processes.
type family struct {
	dir     string
	members []*exec.Cmd
	workers []*exec.Cmd // those of the members that are workers
}

// startLayout starts Shoal in layout l and waits until its gateways know its workers.
func startLayout(ctx context.Context, l layout) (*part, error) {
	return startFamily(ctx, func(ctx context.Context, f *family) (addresses, error) { return f.shoal(ctx, l) })
}

// startPlainProcesses starts the baselines in three processes: server, front and back.
func startPlainProcesses(ctx context.Context) (*part, error) {
	return startFamily(ctx, func(ctx context.Context, f *family) (addresses, error) {
		server, err := f.answering(ctx, serveNATS)
		if err != nil {
			return addresses{}, err
		}
		if _, err := f.answering(ctx, serveBackOnly, server.NATS); err != nil {
			return addresses{}, err
		}
		front, err := f.answering(ctx, serveFrontOnly, server.NATS)
		front.NATS = server.NATS
		return front, err
	})
}

func startFamily(ctx context.Context, start func(context.Context, *family) (addresses, error)) (*part, error) {
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		return nil, err
	}
	f := &family{dir: dir}
	limited, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	a, err := start(limited, f)
	if err != nil {
		_ = f.stop() // err says more
		return nil, err
	}
	return &part{addresses: a, stop: f.stop}, nil
}

func (f *family) shoal(ctx context.Context, l layout) (addresses, error) {
	server, err := f.answering(ctx, serveNATS)
	if err != nil {
		return addresses{}, err
	}
	var probes []string
	service := func(what string, args ...string) error {
		health, err := freeAddress()
		if err != nil {
			return err
		}
		flag := "-health"
		if what == "gateway" {
			flag = "-http"
		}
		probes = append(probes, health)
		_, err = f.start(what, nil, append(args, flag, health, "-nats-url", server.NATS, "-log-level", "error")...)
		return err
	}
	data := filepath.Join(f.dir, "upload")
	err = service("upload", "-data", data)
	for i := 0; i < l.planners && err == nil; i++ {
		err = service("planner")
	}
	for i := 0; i < l.workers && err == nil; i++ {
		name := "w" + strconv.Itoa(i+1)
		args := []string{"-name", name, "-data", filepath.Join(f.dir, name), "-public-key", filepath.Join(data, "signing.pub")}
		if l.slots > 0 {
			args = append(args, "-slots", strconv.Itoa(l.slots))
		}
		if l.queue > 0 {
			args = append(args, "-queue", strconv.Itoa(l.queue))
		}
		err = service("worker", args...)
	}
	first := len(probes)
	for i := 0; i < l.gateways && err == nil; i++ {
		err = service("gateway")
	}
	if err != nil {
		return addresses{}, err
	}
	for _, p := range probes {
		if err := until(ctx, func() bool { return ready(ctx, p) }); err != nil {
			return addresses{}, fmt.Errorf("%s is not ready: %w", p, err)
		}
	}
	gateways := probes[first:]
	for _, g := range gateways {
		if err := atGateway(ctx, g, joined(ctx, l.workers)); err != nil {
			return addresses{}, fmt.Errorf("gateway %s does not know %d workers: %w", g, l.workers, err)
		}
	}
	return addresses{HTTP: gateways[0], NATS: server.NATS, Gateways: gateways}, nil
}

// answering starts a child that says where it answers, and returns that.
func (f *family) answering(ctx context.Context, what string, args ...string) (a addresses, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return a, err
	}
	defer r.Close()
	cmd, err := f.start(what, w, args...)
	w.Close()
	if err != nil {
		return a, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer stop()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if err != nil {
		return a, fmt.Errorf("%s: %w", what, err)
	}
	return a, nil
}

func (f *family) start(what string, stdout *os.File, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), serveVariable+"="+what)
	cmd.Stderr = os.Stderr
	if stdout != nil { // a nil *os.File is no nil io.Writer
		cmd.Stdout = stdout
	}
	// ^C ends this process, which ends them in order. A service does not look at its standard input, as serveChild does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if _, err := cmd.StdinPipe(); err != nil { // closed by Wait
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", what, err)
	}
	f.members = append(f.members, cmd)
	if what == "worker" {
		f.workers = append(f.workers, cmd)
	}
	return cmd, nil
}

// stop ends all, the last that was started first, and takes what they wrote away.
func (f *family) stop() error {
	var failed error
	for _, cmd := range slices.Backward(f.members) {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && failed == nil {
			failed = err
		}
		late := time.AfterFunc(startPatience, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil && failed == nil {
			failed = err
		}
		late.Stop()
	}
	if err := os.RemoveAll(f.dir); err != nil && failed == nil {
		failed = err
	}
	return failed
}

// freeAddress returns an address of the loopback where nobody listens just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func until(ctx context.Context, is func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func ready(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// atGateway asks a gateway until it answers as is wants.
func atGateway(ctx context.Context, gateway string, is func(*apiclient.Client) bool) error {
	c, err := apiclient.New(apiclient.Config{URL: "http://" + gateway})
	if err != nil {
		return err
	}
	defer c.Close()
	return until(ctx, func() bool { return is(c) })
}

// joined reports whether a gateway knows n workers that take calls.
func joined(ctx context.Context, n int) func(*apiclient.Client) bool {
	return func(c *apiclient.Client) bool {
		all, err := c.Workers(ctx)
		taking := slices.DeleteFunc(all, func(w faas.Worker) bool { return w.State != faas.WorkerJoined })
		return err == nil && len(taking) == n
	}
}

// deployed waits until every gateway of p has a function.
func deployed(ctx context.Context, p *part, name faas.Name) error {
	for _, g := range p.Gateways {
		err := atGateway(ctx, g, func(c *apiclient.Client) bool { _, err := c.Function(ctx, name); return err == nil })
		if err != nil {
			return fmt.Errorf("gateway %s has not got %s: %w", g, name, err)
		}
	}
	return nil
}
