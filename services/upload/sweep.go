package upload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// sweepAlways sweeps until ctx ends.
func (s *Service) sweepAlways(ctx context.Context) {
	tick := time.NewTicker(s.cfg.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweep broken off", telemetry.KeyErr, err)
		}
	}
}

// Sweep deletes the objects that no function uses and that were not put or touched within the grace: modules, artefacts and
// Proto-Faaslets of versions that were replaced or removed, packs that no other version shares, contents that no shared file
// has, and staging objects and pieces that somebody who died has left. It returns how many. Run does it from time to time.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	type bucket struct {
		what  string
		sweep func(context.Context) (int, error)
	}
	buckets := []bucket{
		{"modules", func(ctx context.Context) (int, error) { return s.sweep(ctx, s.cfg.Store) }},
		{"Proto-Faaslets", func(ctx context.Context) (int, error) { return s.sweep(ctx, s.cfg.Protos) }},
	}
	if s.cfg.Files != nil {
		buckets = append(buckets, bucket{"shared files", func(ctx context.Context) (int, error) { return s.cfg.Files.Sweep(ctx, s.cfg.Grace) }})
	}
	n := 0
	var failed error
	for _, b := range buckets { // each has its time: one with very much in it does not take that of the others
		within, cancel := context.WithTimeout(ctx, sweepTimeout)
		swept, err := b.sweep(within)
		cancel()
		n += swept
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("sweep %s: %w", b.what, err))
		}
	}
	s.meters.swept(n, failed)
	if n > 0 {
		s.log.Info("swept objects that nobody uses", "objects", n)
	}
	return n, failed
}

// sweep is Sweep for one store. The order matters: an object that a deploy touches after the list is not deleted, and one
// that it touched before is young.
func (s *Service) sweep(ctx context.Context, store *objectstore.Store) (n int, err error) {
	infos, err := store.List(ctx, "")
	if err != nil {
		return 0, err
	}
	fns, err := s.cfg.Registry.List(ctx, "")
	if err != nil {
		return 0, err
	}
	versions, objects := make(map[faas.Version]bool, len(fns)), make(map[string]bool)
	for _, fn := range fns {
		versions[fn.Version] = store == s.cfg.Store
		if p := fn.Proto; p != nil && p.None == "" {
			objects[p.Object] = true
			for _, pack := range p.Packs {
				objects[pack] = true
			}
		}
	}
	for _, info := range infos {
		if time.Since(info.Time) < s.cfg.Grace || !ours(info.Name) || versions[versionOf(info.Name)] || objects[info.Name] {
			continue
		}
		switch err := store.DeleteUnchanged(ctx, info); faas.CodeOf(err) {
		case "":
			n++
		case faas.Conflict, faas.NotFound: // somebody wants it, or was faster
		default:
			return n, err
		}
	}
	pieces, err := store.Sweep(ctx, s.cfg.Grace)
	return n + pieces, err
}

// ours reports whether an object is a staging object, of a version, or a pack of pages.
func ours(name string) bool {
	return strings.HasPrefix(name, stagingPrefix) || strings.HasPrefix(name, snapshot.PackPrefix) || versionOf(name) != ""
}

// versionOf returns the version that an object is of: "module/<version>" or "<version>.<rest>", the artefact.Key's form.
func versionOf(name string) faas.Version {
	name = strings.TrimPrefix(name, moduleObject(""))
	v, _, _ := strings.Cut(name, ".")
	if faas.Version(v).Validate() != nil {
		return ""
	}
	return faas.Version(v)
}
