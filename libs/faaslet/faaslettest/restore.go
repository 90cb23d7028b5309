//go:build linux && cgo

package faaslettest

import (
	"context"
	"errors"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// Restores makes n Faaslets from an image, one after the other, runs a call in each, and closes them.
func (l *Lab) Restores(ctx context.Context, n int) error {
	if l.restored == nil { // kept: taking an image costs as much as hundreds of restores
		image, first, err := l.image(ctx)
		if err != nil {
			return err
		}
		first.Close()
		l.restored = image
		l.closers = append(l.closers, image.Close)
	}
	return l.lives(ctx, n, faaslet.Setup{Image: l.restored})
}

// Fill makes up to n Faaslets from one image, each of which has served a call and was reset, and keeps them all. It makes
// fewer when the engine admits no more. The caller calls drop.
func (l *Lab) Fill(ctx context.Context, n int) (made int, drop func(), err error) {
	image, first, err := l.image(ctx)
	if err != nil {
		return 0, nil, err
	}
	kept := []*faaslet.Faaslet{first}
	drop = func() {
		for _, f := range kept {
			f.Close()
		}
		image.Close()
	}
	for len(kept) < n {
		f, ferr := l.module.New(ctx, faaslet.Setup{Image: image})
		if ferr != nil && ferr.Code == faas.NoCapacity {
			break
		} else if ferr != nil {
			drop()
			return 0, nil, ferr
		}
		kept = append(kept, f)
		if err := l.serveOnce(ctx, f); err != nil {
			drop()
			return 0, nil, err
		}
	}
	return len(kept), drop, nil
}

// image returns an image, and the Faaslet that it was taken of.
func (l *Lab) image(ctx context.Context) (*faaslet.Image, *faaslet.Faaslet, error) {
	image := l.module.NewImage("")
	f, ferr := l.module.New(ctx, faaslet.Setup{Image: image})
	if ferr != nil {
		image.Close()
		return nil, nil, ferr
	}
	if err := l.serveOnce(ctx, f); err != nil {
		f.Close()
		image.Close()
		return nil, nil, err
	}
	return image, f, nil
}

// serveOnce has f serve a call and resets it.
func (l *Lab) serveOnce(ctx context.Context, f *faaslet.Faaslet) error {
	out := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Ctx: ctx, Kind: faas.Reactor}))
	if out.Err != nil {
		return out.Err
	}
	if !f.Reset() {
		return errors.New("a Faaslet was not reset")
	}
	return nil
}
