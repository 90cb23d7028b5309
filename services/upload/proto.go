package upload

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

const (
	// maxInitialising is what initialisers may take at a deploy, whatever the function's timeout.
	maxInitialising = time.Minute
	// slack is what they may take beyond that timeout: the child that runs them gives way to calls.
	slack = 5 * time.Second
)

// proto makes sure that the store has the Proto-Faaslet that workers restore fn from, and that it is young; it captures it
// when it is not there, sharing pages with that of old, the function's version so far. It returns what there is to know of it,
// also when there can be none. compiled is the artefact; nil when it is to be fetched. An initialiser that fails is
// invalid_module.
func (s *Service) proto(ctx context.Context, old, fn faas.Function, info wasmbin.Info, compiled []byte) (*faas.Proto, error) {
	inits := initsOf(info)
	if len(inits) == 0 {
		none := "the module has no initialiser: its calls begin as it is"
		if info.NoZygote != "" {
			none = info.NoZygote
		}
		return &faas.Proto{None: none}, nil
	}
	setup := snapshot.Setup(fn.Args(), fn.Environ())
	for _, setup := range []string{"", setup} {
		p, err := s.storedProto(ctx, fn, setup)
		if err != nil {
			return nil, err
		}
		if p != nil {
			p.Inits = inits
			return p, nil
		}
	}
	if compiled == nil {
		var err error
		if compiled, err = s.artefact(ctx, fn.Version); err != nil {
			return nil, err
		}
	}
	limit := min(cmp.Or(time.Duration(fn.Settings.Timeout), faas.DefaultTimeout)+slack, maxInitialising)
	c, err := s.cfg.Capturer.Capture(ctx, compiled, snapshot.Request{
		Args: fn.Args(), Env: fn.Environ(), Memory: fn.Settings.Memory, Timeout: limit,
	})
	if err != nil {
		return s.notCaptured(ctx, fn, inits, limit, err)
	}
	p := &faas.Proto{Inits: inits, None: c.None, Took: faas.Duration(c.Took.Round(time.Microsecond))}
	if c.None != "" {
		return p, nil
	}
	if c.Own {
		p.Setup = setup
	}
	if err := s.keepProto(ctx, old, fn, c.Encoded, p); err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	} else if err != nil {
		s.log.Warn("Proto-Faaslet not stored", telemetry.KeyFunc, fn.Name.String(), telemetry.KeyVersion, fn.Version.Short(), telemetry.KeyErr, err)
		return &faas.Proto{Inits: inits, None: "it could not be stored: " + faas.AsError(err).Message}, nil
	}
	return p, nil
}

// initsOf returns the initialisers as the module's author knows them.
func initsOf(info wasmbin.Info) []string {
	exports := info.Inits
	if info.HasStart {
		exports = append([]string{wasmbin.StartFunc}, exports...)
	}
	return wasmbin.InitNames(exports)
}

// notCaptured decides what a failure of Capture is: the deploy's, where the guest failed, as every call of it would; else
// only the Proto-Faaslet's.
func (s *Service) notCaptured(ctx context.Context, fn faas.Function, inits []string, limit time.Duration, err error) (*faas.Proto, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e := *faas.AsError(err)
	switch e.Code {
	case faas.GuestTrapped, faas.GuestFailed, faas.OutOfMemory:
		e.Code = faas.InvalidModule
		return nil, &e
	case faas.DeadlineExceeded:
		if limit < maxInitialising {
			e.Code = faas.InvalidModule
			e.Message = fmt.Sprintf("the initialiser does not end within the function's timeout of %s, and %s more: %s",
				faas.Duration(limit-slack), faas.Duration(slack), e.Message)
			return nil, &e
		}
		return &faas.Proto{Inits: inits, None: "its initialiser takes longer than " + faas.Duration(maxInitialising).String()}, nil
	}
	s.log.Warn("no Proto-Faaslet captured", telemetry.KeyFunc, fn.Name.String(), telemetry.KeyVersion, fn.Version.Short(), telemetry.KeyErr, err)
	return &faas.Proto{Inits: inits, None: "it could not be captured: " + e.Message}, nil
}

// protoKey is the key of the Proto-Faaslet of fn's version for a setup.
func (s *Service) protoKey(fn faas.Function, setup string) artefact.Key {
	return artefact.ProtoKey(fn.Version, s.cfg.EngineVersion, fn.Name.Tenant, setup)
}

// storedProto returns what the store has of fn's version for a setup, made young; nil when that is nothing, or not all of it.
func (s *Service) storedProto(ctx context.Context, fn faas.Function, setup string) (*faas.Proto, error) {
	key := s.protoKey(fn, setup)
	manifest, err := s.signed(ctx, s.cfg.Protos, key)
	if err != nil || manifest == nil {
		return nil, err
	}
	m, err := snapshot.Parse(manifest)
	if err != nil {
		s.log.Warn("Proto-Faaslet refused, capturing anew", telemetry.KeyVersion, fn.Version.Short(), telemetry.KeyErr, err)
		return nil, nil
	}
	for _, object := range append(packsOf(m), key.Object()) {
		if err := s.cfg.Protos.Touch(ctx, object); faas.CodeOf(err) == faas.NotFound {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	return describe(m, len(manifest), &faas.Proto{Setup: setup, Object: key.Object()}), nil
}

// signed returns the payload of a signed object, nil when there is none to be trusted.
func (s *Service) signed(ctx context.Context, store *objectstore.Store, key artefact.Key) ([]byte, error) {
	var payload bytes.Buffer
	if ok, err := s.verified(ctx, store, key, &payload); !ok {
		return nil, err
	}
	return payload.Bytes(), nil
}

// artefact returns the compiled module of a version.
func (s *Service) artefact(ctx context.Context, v faas.Version) ([]byte, error) {
	compiled, err := s.signed(ctx, s.cfg.Store, s.key(v))
	if err == nil && compiled == nil {
		err = faas.Errorf(faas.Unavailable, "the artefact of %s is gone from the store: deploy again", v.Short())
	}
	return compiled, err
}

// keepProto stores an image and describes it in p: the pages first, so that no manifest names a pack that is not there.
func (s *Service) keepProto(ctx context.Context, old, fn faas.Function, e *snapshot.Encoded, p *faas.Proto) error {
	key := s.protoKey(fn, p.Setup)
	if old.Proto != nil && old.Proto.Setup != "" && old.Proto.Setup != p.Setup {
		old.Proto = nil // pages of another environment may have what is secret no more
	}
	e, err := s.shared(ctx, old, key, e)
	if err != nil {
		return err
	}
	m, err := snapshot.Parse(e.Manifest)
	if err != nil {
		return fmt.Errorf("captured image: %w", err)
	}
	for _, object := range packsOf(m) { // those of other versions
		if e.Pack != nil && object == e.Ref.Object() {
			continue
		}
		if err := s.cfg.Protos.Touch(ctx, object); err != nil {
			return err
		}
	}
	if e.Pack != nil {
		if _, err := s.cfg.Protos.Put(ctx, e.Ref.Object(), bytes.NewReader(e.Pack)); err != nil {
			return err
		}
	}
	head, err := artefact.Sign(s.cfg.Key, key, e.Manifest)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	_, err = s.cfg.Protos.Put(ctx, key.Object(), io.MultiReader(bytes.NewReader(head), bytes.NewReader(e.Manifest)))
	p.Object = key.Object()
	describe(m, len(e.Manifest), p)
	return err
}

// shared returns e without the pages that the packs of old's Proto-Faaslet have, if that is another one than key's. What can't
// be read of them is stored again.
func (s *Service) shared(ctx context.Context, old faas.Function, key artefact.Key, e *snapshot.Encoded) (*snapshot.Encoded, error) {
	if old.Proto == nil || len(old.Proto.Packs) == 0 || e.Pack == nil {
		return e, nil
	}
	other := s.protoKey(old, old.Proto.Setup)
	if other == key {
		return e, nil
	}
	manifest, err := s.signed(ctx, s.cfg.Protos, other)
	if err != nil || manifest == nil {
		return e, err
	}
	before, err := snapshot.Parse(manifest)
	if err != nil {
		return e, nil
	}
	base := snapshot.NewBase()
	for _, ref := range before.Packs {
		if err := s.addPack(ctx, base, ref); err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		} else if err != nil {
			s.log.Warn("pages of the version before are stored again", telemetry.KeyFunc, old.Name.String(), telemetry.KeyErr, err)
			return e, nil
		}
	}
	m, err := snapshot.Parse(e.Manifest)
	if err != nil {
		return nil, fmt.Errorf("captured image: %w", err)
	}
	mem := make([]byte, m.Memory)
	if err := m.Load(e.Open, func(at int64, page []byte) error { copy(mem[at:], page); return nil }); err != nil {
		return nil, fmt.Errorf("captured image: %w", err)
	}
	return snapshot.Encode(mem, m.Globals, base)
}

func (s *Service) addPack(ctx context.Context, base *snapshot.Base, ref snapshot.PackRef) error {
	r, err := s.cfg.Protos.Get(ctx, ref.Object())
	if err != nil {
		return err
	}
	return errors.Join(base.Add(ref, r), r.Close())
}

func packsOf(m *snapshot.Manifest) []string {
	out := make([]string, len(m.Packs))
	for i, ref := range m.Packs {
		out[i] = ref.Object()
	}
	return out
}

// describe says in p what there is of m.
func describe(m *snapshot.Manifest, manifest int, p *faas.Proto) *faas.Proto {
	p.Size, p.Kept, p.Packs = faas.Size(m.Kept()), faas.Size(manifest), packsOf(m)
	for _, ref := range m.Packs {
		p.Kept += faas.Size(ref.Size)
	}
	return p
}
