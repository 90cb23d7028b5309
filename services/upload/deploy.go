package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// stagingPrefix begins the names of objects in which gateways hand over modules.
const stagingPrefix = "staging/"

// deploy makes the module in the staging object the function's version. It may be broken off and done again until begin,
// which it calls before it writes to the registry, has let it.
func (s *Service) deploy(ctx context.Context, req bus.UploadRequest, begin func() error) (bus.UploadReply, error) {
	if !strings.HasPrefix(req.Object, stagingPrefix) {
		return bus.UploadReply{}, faas.Errorf(faas.BadRequest, "object %q: modules are staged under %s", req.Object, stagingPrefix)
	}
	if err := errors.Join(req.Name.Validate(), req.Version.Validate()); err != nil {
		return bus.UploadReply{}, faas.AsError(err)
	}
	module, err := s.staged(ctx, req)
	if err != nil {
		return bus.UploadReply{}, err
	}
	info, err := s.check(module, true)
	if err != nil {
		return bus.UploadReply{}, err
	}
	if _, _, err := s.wanted(ctx, req, info, module); err != nil { // of the settings, before the work
		return bus.UploadReply{}, err
	}
	if err := s.keepModule(ctx, req.Version, module); err != nil {
		return bus.UploadReply{}, err
	}
	compiled, took, err := s.keepArtefact(ctx, req.Version, module)
	if err != nil {
		return bus.UploadReply{}, err
	}
	reply := bus.UploadReply{CompileMs: took.Milliseconds()}
	if took > 0 {
		reply.CompileMs = max(1, reply.CompileMs)
	}
	for {
		old, fn, err := s.wanted(ctx, req, info, module)
		if err != nil {
			return bus.UploadReply{}, err
		}
		if fn.Proto, err = s.proto(ctx, old, fn, info, compiled); err != nil {
			return bus.UploadReply{}, err
		}
		if fn.Proto.Same(old.Proto) {
			fn.Proto = old.Proto // which says how long it took
		}
		reply.Unchanged = false
		if old.Revision != 0 && old.Version == fn.Version && equal(old.Settings, fn.Settings) {
			if reply.Unchanged = true; fn.Proto == old.Proto {
				reply.Function = old
				return reply, nil
			}
			fn.Changed = old.Changed // as asked it was; only what is stored of it is new
		}
		kind := bus.FunctionDeployed
		if old.Version == fn.Version {
			kind = bus.FunctionChanged
		} else if old.Version != "" {
			s.touch(ctx, old) // its grace begins
		}
		if err := begin(); err != nil {
			return bus.UploadReply{}, err
		}
		fn, err = s.cfg.Registry.Put(ctx, fn, old.Revision)
		if faas.CodeOf(err) == faas.Conflict {
			continue // somebody deployed it meanwhile; the last one stays
		}
		if err != nil {
			return bus.UploadReply{}, err
		}
		reply.Function = fn
		s.log.Info("function deployed", telemetry.KeyFunc, fn.Name.String(), telemetry.KeyVersion, fn.Version.Short(), "took", took)
		return reply, s.announce(ctx, kind, fn)
	}
}

// wanted returns the function as it is (Revision 0 when it is not deployed) and as req wants it.
func (s *Service) wanted(ctx context.Context, req bus.UploadRequest, info wasmbin.Info, module []byte) (old, fn faas.Function, err error) {
	old, err = s.cfg.Registry.Get(ctx, req.Name)
	if err != nil && faas.CodeOf(err) != faas.NotFound {
		return old, fn, err
	}
	settings, err := mergeSettings(old.Settings, req.Settings)
	if err == nil {
		err = checkSettings(settings, info.MemoryMin)
	}
	if err == nil {
		err = checkReset(settings, info.Kind)
	}
	if err == nil && !settings.AllowUnknownImports && slices.ContainsFunc(info.Imports, func(i faas.Import) bool { return i.Missing }) {
		if _, err = s.check(module, false); err != nil {
			err = faas.AsError(err).Hint("with the setting allow_unknown_imports the guest traps only when it calls it")
		}
	}
	now := time.Now().UTC()
	fn = faas.Function{
		Name: req.Name, Version: req.Version, Kind: info.Kind, Entry: info.Entry, Size: int64(len(module)), Imports: info.Imports,
		Settings: settings, Deployed: now, Changed: now,
	}
	if old.Version == fn.Version {
		fn.Deployed = old.Deployed
	}
	return old, fn, err
}

// staged returns the bytes of the staging object, which are what the gateway counted.
func (s *Service) staged(ctx context.Context, req bus.UploadRequest) ([]byte, error) {
	info, err := s.cfg.Store.Stat(ctx, req.Object)
	if err != nil {
		return nil, err
	}
	if info.Size > int64(s.cfg.MaxModule) {
		return nil, faas.Errorf(faas.TooLarge, "the module has %d bytes, more than %v", info.Size, s.cfg.MaxModule)
	}
	if info.Size == 0 {
		return nil, faas.Errorf(faas.InvalidModule, "the body is empty: want a WebAssembly module")
	}
	module, err := s.read(ctx, req.Object, info.Size)
	if err != nil {
		return nil, err
	}
	if v := faas.VersionOf(module); v != req.Version {
		return nil, faas.Errorf(faas.BadRequest, "the module's digest is %s, announced was %s", v.Short(), req.Version.Short())
	}
	return module, nil
}

// read returns an object of size bytes.
func (s *Service) read(ctx context.Context, name string, size int64) ([]byte, error) {
	r, err := s.cfg.Store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(r, int64(faas.MaxModule)+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// check judges the module, with what it imports and the host does not have if that is allowed. Its errors name the section, the import or the entry at fault.
func (s *Service) check(module []byte, allowUnknown bool) (wasmbin.Info, error) {
	m, err := wasmbin.Parse(module)
	if err != nil {
		return wasmbin.Info{}, err
	}
	host := s.cfg.Host
	host.AllowUnknown = allowUnknown
	return wasmbin.Check(m, host)
}

func moduleObject(v faas.Version) string { return "module/" + string(v) }

// keepModule makes sure that the module is in the store, and young.
func (s *Service) keepModule(ctx context.Context, v faas.Version, module []byte) error {
	name := moduleObject(v)
	info, err := s.cfg.Store.Stat(ctx, name)
	if err == nil && info.Size == int64(len(module)) && info.Digest == digest(v) {
		if err = s.cfg.Store.Touch(ctx, name); faas.CodeOf(err) != faas.NotFound {
			return err
		}
	}
	if err != nil && faas.CodeOf(err) != faas.NotFound {
		return err
	}
	_, err = s.cfg.Store.Put(ctx, name, bytes.NewReader(module))
	return err
}

// touch makes the objects of fn's version young, for the sake of those that still use them. What fails here only shortens
// their grace.
func (s *Service) touch(ctx context.Context, fn faas.Function) {
	young := func(store *objectstore.Store, name string) {
		if err := store.Touch(ctx, name); err != nil && faas.CodeOf(err) != faas.NotFound {
			s.log.Warn("object not touched", "object", name, telemetry.KeyErr, err)
		}
	}
	young(s.cfg.Store, moduleObject(fn.Version))
	young(s.cfg.Store, s.key(fn.Version).Object())
	if p := fn.Proto; p != nil && p.None == "" {
		young(s.cfg.Protos, p.Object)
		for _, pack := range p.Packs {
			young(s.cfg.Protos, pack)
		}
	}
}

// unstage deletes the staging object, whatever became of the deploy. One that stays is swept.
func (s *Service) unstage(ctx context.Context, object string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	if err := s.cfg.Store.Delete(ctx, object); err != nil && faas.CodeOf(err) != faas.NotFound {
		s.log.Warn("staging object not deleted", "object", object, telemetry.KeyErr, err)
	}
}

// announce tells everybody, and returns when the server has it.
func (s *Service) announce(ctx context.Context, kind bus.FunctionEventKind, fn faas.Function) error {
	err := s.cfg.NC.Publish(bus.FunctionEventSubject(fn.Name), bus.Marshal(bus.FunctionEvent{Kind: kind, Function: fn}))
	if err == nil {
		err = s.cfg.NC.FlushWithContext(ctx)
	}
	return natserr.Wrap(err, fmt.Sprintf("%s is %s, but that could not be told", fn.Name, kind))
}

// change changes settings.
func (s *Service) change(ctx context.Context, req bus.UploadRequest, begin func() error) (bus.UploadReply, error) {
	for {
		old, err := s.cfg.Registry.Get(ctx, req.Name)
		if err != nil {
			return bus.UploadReply{}, err
		}
		fn := old
		if fn.Settings, err = mergeSettings(old.Settings, req.Settings); err != nil {
			return bus.UploadReply{}, err
		}
		if equal(old.Settings, fn.Settings) {
			return bus.UploadReply{Function: old, Unchanged: true}, nil
		}
		least, err := s.memoryMin(ctx, old, fn)
		if err == nil {
			err = checkSettings(fn.Settings, least)
		}
		if err == nil {
			err = checkReset(fn.Settings, fn.Kind)
		}
		if err != nil {
			return bus.UploadReply{}, err
		}
		if err := begin(); err != nil {
			return bus.UploadReply{}, err
		}
		fn.Changed = time.Now().UTC()
		fn, err = s.cfg.Registry.Put(ctx, fn, old.Revision)
		if faas.CodeOf(err) == faas.Conflict {
			continue
		}
		if err != nil {
			return bus.UploadReply{}, err
		}
		return bus.UploadReply{Function: fn}, s.announce(ctx, bus.FunctionChanged, fn)
	}
}

// memoryMin returns the least memory that the function's module can have; 0 when fn keeps what old was checked with.
func (s *Service) memoryMin(ctx context.Context, old, fn faas.Function) (uint64, error) {
	if old.Settings.Memory == fn.Settings.Memory {
		return 0, nil
	}
	module, err := s.read(ctx, moduleObject(fn.Version), fn.Size)
	if err != nil {
		return 0, fmt.Errorf("look at the module's memory: %w", err)
	}
	info, err := s.check(module, true)
	return info.MemoryMin, err
}

// remove removes a function. Its objects stay for the grace.
func (s *Service) remove(ctx context.Context, req bus.UploadRequest, begin func() error) (bus.UploadReply, error) {
	for {
		fn, err := s.cfg.Registry.Get(ctx, req.Name)
		if err != nil {
			return bus.UploadReply{}, err
		}
		s.touch(ctx, fn)
		if err := begin(); err != nil {
			return bus.UploadReply{}, err
		}
		err = s.cfg.Registry.Delete(ctx, fn.Name, fn.Revision)
		if faas.CodeOf(err) == faas.Conflict {
			continue
		}
		if err != nil {
			return bus.UploadReply{}, err
		}
		s.log.Info("function removed", telemetry.KeyFunc, fn.Name.String(), telemetry.KeyVersion, fn.Version.Short())
		return bus.UploadReply{Function: fn}, s.announce(ctx, bus.FunctionRemoved, fn)
	}
}
