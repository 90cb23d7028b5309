// Package natsd runs a NATS server with JetStream on disk inside this process, for `shoal up` and for tests. It is the
// only importer of nats-server.
package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config says how to run the server.
type Config struct {
	// Listen is the TCP address of clients, as "127.0.0.1:4222"; port 0 takes a free one. "" opens no port: then only
	// InProcess connections reach the server.
	Listen string
	// StoreDir keeps what JetStream stores. It is made when it is missing, and one server at a time has it.
	StoreDir string
	// ServerName shows in the server's INFO and in logs. "" means "shoal".
	ServerName string
	// MaxPayload is the largest message, in bytes; 0 means the server's default of 1 MiB. bus.MaxPayload is what Shoal needs.
	MaxPayload int32
	// MaxStore bounds what JetStream keeps, in bytes; 0 leaves it to the server (three quarters of the free disk).
	MaxStore int64
	// SyncAlways makes JetStream acknowledge a message only after fsync. Without it an acknowledged message survives the
	// death of the process, and after a loss of power the last SyncInterval may be missing.
	SyncAlways bool
	// SyncInterval is how often written data is flushed to the disk when SyncAlways is off; 0 means one second.
	// (The server's own default is two minutes.)
	SyncInterval time.Duration
	// Log takes the server's warnings and errors; nil drops them.
	Log *slog.Logger
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	srv  *server.Server
	lock *os.File
	once sync.Once
}

// Start starts a server and waits until it takes connections and JetStream has recovered its store. The error says what
// to change when the address or the store is taken or can't be used; then nothing is left running.
func Start(cfg Config) (*Server, error) {
	if cfg.StoreDir == "" {
		return nil, errors.New("natsd: no directory for the store (name one with --data DIR)")
	}
	opts, err := options(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("natsd: make the store: %w (choose another with --data DIR)", err)
	}
	lock, err := lockDir(cfg.StoreDir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock}
	if s.srv, err = server.NewServer(opts); err != nil {
		s.Close()
		return nil, fmt.Errorf("natsd: %w", err)
	}
	logger := &bridge{log: cfg.Log, fatal: make(chan string, 1)}
	s.srv.SetLoggerV2(logger, false, false, false)
	if err := s.start(logger.fatal); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// start returns once the server listens; recovering a large store takes its time.
func (s *Server) start(fatal <-chan string) error {
	s.srv.Start()
	select {
	case why := <-fatal:
		return fmt.Errorf("natsd: %s", why)
	default:
	}
	const patience = 10 * time.Second // Start has done the work
	if !s.srv.ReadyForConnections(patience) || !s.srv.JetStreamEnabled() {
		return fmt.Errorf("natsd: the server did not get ready within %v", patience)
	}
	return nil
}

// maxPending is what the server holds for a connection that is slow to read, in bytes, before it closes it. A service has
// one connection for all its calls: a few large bodies at once are no reason to lose it.
const maxPending = 1 << 30

func options(cfg Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             cfg.ServerName,
		NoSigs:                 true,
		DontListen:             true,
		JetStream:              true,
		StoreDir:               cfg.StoreDir,
		JetStreamMaxStore:      cfg.MaxStore,
		DisableJetStreamBanner: true,
		MaxPayload:             cfg.MaxPayload,
		MaxPending:             maxPending,
		SyncAlways:             cfg.SyncAlways,
		SyncInterval:           cfg.SyncInterval,
	}
	if opts.ServerName == "" {
		opts.ServerName = "shoal"
	}
	if opts.SyncInterval == 0 {
		opts.SyncInterval = time.Second
	}
	if cfg.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("natsd: address %q: want HOST:PORT, as 127.0.0.1:4222 (change it with --nats ADDR)", cfg.Listen)
	}
	if opts.Port, err = strconv.Atoi(port); err != nil || opts.Port < 0 || opts.Port > 65535 {
		return nil, fmt.Errorf("natsd: address %q: the port must be from 0 to 65535 (change it with --nats ADDR)", cfg.Listen)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if host == "" {
		host = server.DEFAULT_HOST // every address
	}
	opts.Host, opts.DontListen = host, false
	return opts, tryListen(cfg.Listen)
}

// tryListen takes the address for a moment: the server itself would only log why it can't.
func tryListen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("natsd: %s is taken by another process (stop it, or choose another address with --nats ADDR): %w", addr, err)
		}
		return fmt.Errorf("natsd: listen on %s: %w (choose another address with --nats ADDR)", addr, err)
	}
	return l.Close()
}

// ClientURL returns where clients connect over TCP, as "nats://127.0.0.1:4222", or "" when Config.Listen was "".
func (s *Server) ClientURL() string {
	if s.srv.Addr() == nil {
		return ""
	}
	return s.srv.ClientURL()
}

// InProcess returns the option that makes nats.Connect (with any URL) connect without a socket.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(s.srv) }

// Close shuts the server down and waits until its store is on the disk and its goroutines have ended. It may be called
// more than once and concurrently.
func (s *Server) Close() {
	s.once.Do(func() {
		if s.srv != nil {
			s.srv.Shutdown()
			s.srv.WaitForShutdown()
		}
		_ = s.lock.Close() // the lock goes with the descriptor
	})
}
