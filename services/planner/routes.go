package planner

import (
	"slices"
	"time"

	"github.com/shoal-run/shoal/bus"
)

const (
	routeWorkers = 32                     // named in a route, at most
	routePause   = 100 * time.Millisecond // between two events of one version of a function
	routeBatch   = 64                     // events told in one go: placing waits meanwhile
	refreshPause = time.Second            // between two tellings of every route
)

// Routes returns the route events to tell now, most at most: of the functions whose set of warm workers is no longer what
// was told, unless that was a moment ago. An event without workers withdraws a route. More tells that others are due, now
// or when their pause has passed.
func (v *View) Routes(now time.Time, most int) (events []bus.RouteEvent, more bool) {
	for f := range v.dirty {
		if now.Sub(f.routed) < routePause {
			more = true
			continue
		}
		if len(events) == most {
			return events, true
		}
		delete(v.dirty, f)
		route := v.warmOn(f, routeWorkers)
		if f.refresh && len(route) > 0 || !sameSet(route, f.route) {
			f.route, f.routed = route, now
			events = append(events, bus.RouteEvent{Name: f.name, Version: f.version, Workers: route})
		}
		f.refresh = false
		v.forget(f)
	}
	return events, more
}

// Refresh makes Routes return every route that is out, for those who have just come.
func (v *View) Refresh() {
	for _, f := range v.byKey {
		if len(f.route) > 0 {
			f.refresh = true
			v.dirty[f] = struct{}{}
		}
	}
}

func sameSet[S ~[]E, E ~string](a, b S) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
