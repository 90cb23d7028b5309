package workerd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/process"
)

// lockData makes the data directory and takes it for this process: what is in there is loaded as machine code, and two
// workers would clear each other's files.
func (c *settings) lockData(p *process.Process) error {
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return p.Errorf("data", "%s", err)
	}
	f, err := os.OpenFile(filepath.Join(c.data, "worker.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return p.Errorf("data", "%s", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return p.Errorf("data", "another worker uses this directory (give each its own)")
		}
		return p.Errorf("data", "lock: %s", err)
	}
	p.OnClose(func() { _ = f.Close() }) // the lock goes with the descriptor
	return nil
}

// checkKey reports a public key that can't be used. One that is not there may come: the worker waits.
func (c *settings) checkKey(set *config.Set) error {
	if _, err := artefact.LoadPublicKey(c.publicKey); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return set.Errorf("public-key", "%s", err)
	}
	return nil
}

// waitForKey loads the public key as soon as it is there.
func (c *settings) waitForKey(ctx context.Context, p *process.Process) (ed25519.PublicKey, error) {
	p.Health.Phase("waiting for the public key")
	var pub ed25519.PublicKey
	err := service.Retry(ctx, service.Patience{
		Tell: func(error) {
			p.Log.Warn("no public key yet: put the upload service's .pub file there", "public-key", c.publicKey)
		},
		Final: func(err error) bool { return !errors.Is(err, fs.ErrNotExist) },
	}, func() (err error) {
		pub, err = artefact.LoadPublicKey(c.publicKey)
		return err
	})
	if err != nil && ctx.Err() == nil {
		return nil, p.Errorf("public-key", "%s", err)
	}
	if err == nil {
		p.Log.Info("public key", "file", c.publicKey, "fingerprint", artefact.Fingerprint(pub))
	}
	return pub, err
}
