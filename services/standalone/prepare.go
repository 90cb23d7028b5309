package standalone

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/services/worker"
)

// prepare makes the data directory and the signing key, and takes the HTTP address: what a user can get wrong fails first.
func (s *Standalone) prepare() error {
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w (choose another with --data)", err)
	}
	l, err := net.Listen("tcp", s.cfg.HTTP)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("HTTP address %s is taken (choose another with --http)", s.cfg.HTTP)
		}
		return fmt.Errorf("HTTP address: %w (choose another with --http)", err)
	}
	s.listener = l
	s.onClose(func() { _ = l.Close() }) // the gateway has closed it when it ran
	s.key, _, err = artefact.LoadOrCreateKey(filepath.Join(s.cfg.Data, "signing.key"))
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	return nil
}

// bus starts the embedded server, unless another is to be used, and returns how to connect.
func (s *Standalone) bus() (connect func(name string) (*nats.Conn, error), err error) {
	url := s.cfg.NATSURL
	var opts []nats.Option
	if url == "" {
		s.natsd, err = natsd.Start(natsd.Config{
			Listen: s.cfg.NATS, StoreDir: filepath.Join(s.cfg.Data, "nats"), ServerName: "shoal", MaxPayload: bus.MaxPayload, Log: s.log,
		})
		if err != nil {
			return nil, err
		}
		s.onClose(s.natsd.Close)
		opts = append(opts, s.natsd.InProcess())
	}
	return func(name string) (*nats.Conn, error) {
		nc, err := bus.Connect(url, name, s.log, opts...)
		if err != nil {
			return nil, fmt.Errorf("NATS server %s: %w", url, err)
		}
		s.onClose(nc.Close)
		return nc, nil
	}, nil
}

// slots returns the slots of each worker.
func (s *Standalone) slots() int {
	if s.cfg.Slots != 0 {
		return s.cfg.Slots
	}
	return max(1, faas.SlotsPerCore*runtime.NumCPU()/s.cfg.Workers)
}

// memoryLimit returns the linear memory that each worker's running calls may have together. Their mark for resident memory
// stays whole: it is the process's, which all of them measure.
func (s *Standalone) memoryLimit() faas.Size {
	return worker.DefaultMemoryLimit() / faas.Size(s.cfg.Workers)
}

func (s *Standalone) drain() time.Duration { return time.Duration(s.cfg.DrainTimeout) }
