package worker

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/artefact/cache"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// StoredArtefacts are the artefacts that the upload service signed, from the object store, and where none fits this
// machine, or the one that is there can't be trusted, what this machine compiles for itself alone.
type StoredArtefacts struct {
	Cache    *cache.Cache
	Modules  *objectstore.Store
	Compiler interface {
		Compile(ctx context.Context, module []byte) ([]byte, error)
	}
	Engine, CPU string // what artefacts must have been made for
	Dir         string // for what is compiled here; only this process's user can write it
	Log         *slog.Logger

	clear sync.Once // of what an earlier life has left in Dir
}

var _ Artefacts = (*StoredArtefacts)(nil)

// ArtefactsIn returns the artefacts for this machine and this program's engine, as files below dir, which no other process
// uses. They come from the bucket modules and are signed with the private half of pub. What only this machine can use
// compiler makes. The files keep about max bytes, cache.DefaultMax for 0.
func ArtefactsIn(dir string, pub ed25519.PublicKey, modules *objectstore.Store, compiler compile.Compiler, max faas.Size, log *slog.Logger) *StoredArtefacts {
	return &StoredArtefacts{
		Cache: cache.New(filepath.Join(dir, "artefacts"), modules, pub, int64(max)), Modules: modules, Compiler: compiler,
		Engine: faaslet.Version(), CPU: artefact.CPUFeatures(), Dir: filepath.Join(dir, "compiled"), Log: log,
	}
}

// Open implements Artefacts.
func (a *StoredArtefacts) Open(ctx context.Context, v faas.Version) (string, func(), error) {
	file, err := a.Cache.Open(ctx, artefact.Key{Version: v, Engine: a.Engine, CPU: a.CPU})
	if err == nil {
		return file.Path(), file.Release, nil
	}
	if ctx.Err() != nil {
		return "", nil, context.Cause(ctx)
	}
	if !unusable(err) {
		return "", nil, err
	}
	a.Log.Warn("no artefact to be used: compiling the module here", telemetry.KeyVersion, v.Short(), telemetry.KeyErr, err)
	return a.compile(ctx, v)
}

// Drop implements Artefacts.
func (a *StoredArtefacts) Drop(v faas.Version) { a.Cache.Drop(v) }

// Full implements Artefacts.
func (a *StoredArtefacts) Full(percent int) bool { return a.Cache.Full(percent) }

// unusable reports whether err says that there is no artefact for this machine, or only one that can't be trusted.
func unusable(err error) bool {
	return faas.CodeOf(err) == faas.NotFound || errors.Is(err, artefact.ErrFormat) || errors.Is(err, artefact.ErrSignature) ||
		errors.Is(err, artefact.ErrMismatch) || errors.Is(err, artefact.ErrCorrupt)
}

// compile makes an artefact from the module's bytes. Nobody else ever loads it, so it is not signed; it is gone when it is
// released.
func (a *StoredArtefacts) compile(ctx context.Context, v faas.Version) (string, func(), error) {
	module, err := a.module(ctx, v)
	if err != nil {
		return "", nil, err
	}
	began := time.Now()
	compiled, err := a.Compiler.Compile(ctx, module)
	if err != nil {
		return "", nil, fmt.Errorf("compile module %s: %w", v.Short(), err)
	}
	path, err := a.write(v, compiled)
	if cache.NoSpace(err) && a.Cache.FreeDisk() > 0 {
		path, err = a.write(v, compiled)
	}
	if err != nil {
		return "", nil, err
	}
	a.Log.Info("module compiled here", telemetry.KeyVersion, v.Short(), "took", time.Since(began))
	return path, func() { _ = os.Remove(path) }, nil // a file that stays costs space until the directory is cleared
}

// write makes a file of what was compiled here.
func (a *StoredArtefacts) write(v faas.Version, compiled []byte) (path string, err error) {
	a.clear.Do(func() {
		if err := os.RemoveAll(a.Dir); err != nil {
			a.Log.Warn("what was compiled here earlier stays on the disk", telemetry.KeyErr, err)
		}
	})
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return "", fmt.Errorf("directory for what is compiled here: %w", err)
	}
	f, err := os.CreateTemp(a.Dir, v.Short()+"-*.cwasm")
	if err != nil {
		return "", fmt.Errorf("file for what is compiled here: %w", err)
	}
	path = f.Name()
	_, err = f.Write(compiled)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(path))
	}
	return path, nil
}

// module fetches a module's bytes and makes sure that they are what the version says.
func (a *StoredArtefacts) module(ctx context.Context, v faas.Version) ([]byte, error) {
	r, err := a.Modules.Get(ctx, "module/"+string(v))
	if err != nil {
		return nil, fmt.Errorf("fetch module %s: %w", v.Short(), err)
	}
	defer r.Close()
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(r, int64(faas.MaxModule)+1)); err != nil || n > int64(faas.MaxModule) {
		return nil, fmt.Errorf("fetch module %s: %d bytes: %w", v.Short(), n, errors.Join(err, artefact.ErrCorrupt))
	}
	if faas.VersionOf(b.Bytes()) != v {
		return nil, faas.Errorf(faas.Internal, "module %s is not what its digest says: the object store was changed", v.Short())
	}
	return b.Bytes(), nil
}
