package upload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
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

// Sweep deletes the objects that no function uses and that were not put or touched within the grace: modules and artefacts
// of versions that were replaced or removed, and staging objects and pieces that somebody who died has left. It returns
// how many. Run does it from time to time.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	// The order matters: an object that a deploy touches after this list is not deleted, and one that it touched before
	// is young.
	infos, err := s.cfg.Store.List(ctx, "")
	if err != nil {
		return 0, err
	}
	fns, err := s.cfg.Registry.List(ctx, "")
	if err != nil {
		return 0, err
	}
	used := make(map[faas.Version]bool, len(fns))
	for _, fn := range fns {
		used[fn.Version] = true
	}
	n := 0
	for _, info := range infos {
		if time.Since(info.Time) < s.cfg.Grace || !ours(info.Name) || used[versionOf(info.Name)] {
			continue
		}
		switch err := s.cfg.Store.DeleteUnchanged(ctx, info); faas.CodeOf(err) {
		case "":
			n++
		case faas.Conflict, faas.NotFound: // somebody wants it, or was faster
		default:
			return n, fmt.Errorf("sweep: %w", err)
		}
	}
	pieces, err := s.cfg.Store.Sweep(ctx, s.cfg.Grace)
	if n += pieces; n > 0 {
		s.log.Info("swept objects that nobody uses", "objects", n)
	}
	return n, err
}

// ours reports whether an object is a staging object or of a version.
func ours(name string) bool { return strings.HasPrefix(name, stagingPrefix) || versionOf(name) != "" }

// versionOf returns the version that an object is of: "module/<version>" or "<version>.<rest>", the artefact.Key's form.
func versionOf(name string) faas.Version {
	name = strings.TrimPrefix(name, moduleObject(""))
	v, _, _ := strings.Cut(name, ".")
	if faas.Version(v).Validate() != nil {
		return ""
	}
	return faas.Version(v)
}
