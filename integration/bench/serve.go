//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on the child's own address, for -profile
	"os"
	"strconv"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/services/standalone"
)

// serveVariable names in a child's environment what it serves: one of the constants below.
const serveVariable = "SHOAL_BENCH_SERVE"

// What is measured.
const (
	serveShoal = "shoal" // everything, as `shoal up` runs it
	servePlain = "plain" // the baselines: no platform, same connections

	// The same as processes of their own (processes.go).
	shoalProcesses = "shoal processes" // one gateway, planner and worker
	plainProcesses = "plain processes" // front and back
	shoalCluster   = "shoal cluster"   // two gateways, two planners, four workers

	// What a child of those is when it is no service.
	serveNATS      = "nats-server"
	serveFrontOnly = "front" // the first argument is the server's URL
	serveBackOnly  = "back"  // likewise

	serveFaaslets = "faaslets"         // nothing but Faaslets; the first argument is how many (density.go)
	serveRunning  = "running faaslets" // the same in the middle of their calls
)

// transportVariable set to "tcp" makes the services of both sides reach the server over TCP instead of in-process.
const transportVariable = "SHOAL_BENCH_TRANSPORT"

// queue is how many calls may wait in the worker: a closed loop of 64 clients is not overload.
const queue = 256

// addresses are where a child answers.
type addresses struct {
	HTTP     string   `json:"http"`  // HOST:PORT
	NATS     string   `json:"nats"`  // URL
	Pprof    string   `json:"pprof"` // HOST:PORT
	Gateways []string `json:"-"`     // HOST:PORT of each, HTTP is the first; nil where all is one process
	Filled   filled   `json:"filled"`
}

// serveChild serves what until ctx ends or its standard input does: the parent has gone.
func serveChild(ctx context.Context, what string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	standalone.Tune()                      // the baselines too
	go func() { _ = http.Serve(l, nil) }() // ends with the process
	return serve(ctx, what, func(a addresses) {
		a.Pprof = l.Addr().String()
		_ = json.NewEncoder(os.Stdout).Encode(a) // a parent that does not read it gives up
	})
}

// serve runs what in this process until ctx ends. up is called once it answers.
func serve(ctx context.Context, what string, up func(addresses)) error {
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	switch what {
	case serveShoal:
		return runShoal(ctx, dir, up)
	case servePlain:
		return runPlain(ctx, dir, up)
	case serveNATS:
		srv, err := startServer(dir)
		if err != nil {
			return err
		}
		up(addresses{NATS: srv.ClientURL()})
		<-ctx.Done()
		srv.Close()
		return nil
	case serveFrontOnly, serveBackOnly:
		return runHalf(ctx, what, os.Args[1], up)
	case serveFaaslets, serveRunning:
		n, err := strconv.Atoi(os.Args[1])
		if err != nil {
			return err
		}
		if what == serveRunning {
			return runRunning(ctx, n, up)
		}
		return runFaaslets(ctx, n, up)
	}
	return fmt.Errorf("nothing is called %q", what)
}

// runHalf is one side of the baselines.
func runHalf(ctx context.Context, what, url string, up func(addresses)) error {
	nc, err := bus.Connect(url, what, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer nc.Close()
	if what == serveFrontOnly {
		return serveFront(ctx, nc, func(http string) { up(addresses{HTTP: http}) })
	}
	stop, err := serveBack(nc)
	if err != nil {
		return err
	}
	defer stop()
	up(addresses{})
	<-ctx.Done()
	return nil
}

func runShoal(ctx context.Context, dir string, up func(addresses)) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg := standalone.Config{HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0", Data: dir, Queue: queue, Log: log}
	if os.Getenv(transportVariable) == "tcp" {
		srv, err := startServer(dir)
		if err != nil {
			return err
		}
		defer srv.Close()
		cfg.NATSURL = srv.ClientURL()
	}
	return standalone.New(cfg).Run(ctx, func(a standalone.Addresses) {
		up(addresses{HTTP: a.HTTP[len("http://"):], NATS: a.NATS})
	})
}

// startServer starts a NATS server as standalone's.
func startServer(dir string) (*natsd.Server, error) {
	return natsd.Start(natsd.Config{Listen: "127.0.0.1:0", StoreDir: dir + "/nats", MaxPayload: bus.MaxPayload})
}
