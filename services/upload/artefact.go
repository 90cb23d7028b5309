package upload

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/telemetry"
)

func (s *Service) key(v faas.Version) artefact.Key {
	return artefact.Key{Version: v, Engine: s.cfg.EngineVersion, CPU: s.cfg.CPU}
}

// keepArtefact makes sure that the store has an artefact of the module that workers will take, and that it is young. It
// returns what it compiled and how long that took, nothing and 0 when there was nothing to compile. Of several deploys of one
// version at once, one compiles.
func (s *Service) keepArtefact(ctx context.Context, v faas.Version, module []byte) ([]byte, time.Duration, error) {
	for {
		s.mu.Lock()
		busy := s.compiling[v]
		if busy == nil {
			s.compiling[v] = make(chan struct{})
		}
		s.mu.Unlock()
		if busy == nil {
			break
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
	defer func() {
		s.mu.Lock()
		close(s.compiling[v])
		delete(s.compiling, v)
		s.mu.Unlock()
	}()
	if ok, err := s.usable(ctx, v); ok || err != nil {
		return nil, 0, err
	}
	return s.compile(ctx, v, module)
}

// usable reports whether the store has an artefact that workers will take, and makes it young.
func (s *Service) usable(ctx context.Context, v faas.Version) (bool, error) {
	key := s.key(v)
	ok, err := s.verified(ctx, s.cfg.Store, key, io.Discard)
	if !ok {
		return false, err
	}
	err = s.cfg.Store.Touch(ctx, key.Object())
	if faas.CodeOf(err) == faas.NotFound { // deleted while we looked
		return false, nil
	}
	return err == nil, err
}

// verified copies the payload of a signed object to w and reports true; false when there is none, or one that workers will
// not take, which it deletes.
func (s *Service) verified(ctx context.Context, store *objectstore.Store, key artefact.Key, w io.Writer) (bool, error) {
	r, err := store.Get(ctx, key.Object())
	if faas.CodeOf(err) == faas.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	err = artefact.Verify(s.cfg.Key.Public().(ed25519.PublicKey), key, r, w)
	switch {
	case err == nil:
		return true, nil
	case refused(err):
		s.log.Warn("stored object refused", telemetry.KeyVersion, key.Version.Short(), "object", key.Object(), telemetry.KeyErr, err)
		if err := store.Delete(ctx, key.Object()); err != nil && faas.CodeOf(err) != faas.NotFound {
			return false, err
		}
		return false, nil
	case faas.CodeOf(err) == faas.NotFound: // deleted while we looked
		return false, nil
	default:
		return false, fmt.Errorf("verify %s: %w", key.Object(), err)
	}
}

// refused reports whether err says that an artefact is not what it should be, rather than that it could not be read.
func refused(err error) bool {
	for _, bad := range []error{
		artefact.ErrFormat, artefact.ErrSignature, artefact.ErrMismatch, artefact.ErrCorrupt, objectstore.ErrCorrupt,
	} {
		if errors.Is(err, bad) {
			return true
		}
	}
	return false
}

func (s *Service) compile(ctx context.Context, v faas.Version, module []byte) ([]byte, time.Duration, error) {
	began := time.Now()
	payload, err := s.compiled(ctx, module)
	took := time.Since(began)
	s.meters.compile.Record(took)
	if err != nil {
		return nil, 0, fmt.Errorf("compile: %w", err)
	}
	key := s.key(v)
	head, err := artefact.Sign(s.cfg.Key, key, payload)
	if err != nil {
		return nil, 0, fmt.Errorf("sign: %w", err)
	}
	_, err = s.cfg.Store.Put(ctx, key.Object(), io.MultiReader(bytes.NewReader(head), bytes.NewReader(payload)))
	return payload, took, err
}

// compiled runs the compiler, for the time that it may take. What ends ctx is the error.
func (s *Service) compiled(ctx context.Context, module []byte) ([]byte, error) {
	wall := s.cfg.CompileWall
	slow := faas.Errorf(faas.InvalidModule, "compiling it takes more than %s", faas.Duration(wall)).
		Hint("the limit is the upload service's compile-wall setting")
	ctx, cancel := context.WithTimeoutCause(ctx, wall, slow)
	defer cancel()
	payload, err := s.cfg.Compiler.Compile(ctx, module)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return payload, err
}

// digest is how the object store writes the digest that v is.
func digest(v faas.Version) string {
	sum, err := hex.DecodeString(string(v))
	if err != nil { // v was validated
		return ""
	}
	return "SHA-256=" + base64.URLEncoding.EncodeToString(sum)
}
