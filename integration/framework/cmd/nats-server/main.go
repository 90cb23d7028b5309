// Command nats-server is a NATS server with JetStream for integration tests, which need one that they can kill.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/libs/natsd"
)

func main() { os.Exit(run()) }

func run() int {
	var cfg natsd.Config
	flag.StringVar(&cfg.Listen, "listen", "127.0.0.1:4222", "where clients connect")
	flag.StringVar(&cfg.StoreDir, "store", "", "where JetStream keeps its data")
	flag.Int64Var(&cfg.MaxStore, "max-store", 0, "most bytes that JetStream keeps; 0 = what the disk has")
	flag.Parse()
	cfg.MaxPayload = bus.MaxPayload
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	s, err := natsd.Start(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		return 1
	}
	cfg.Log.Info("listening", "url", s.ClientURL())
	<-stop
	s.Close()
	return 0
}
