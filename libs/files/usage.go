package files

import (
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// What a tenant takes of the store is more than its files: contents that were replaced or deleted stay for the grace of the
// sweep, and an upload is there before it is a file. A writer that did nothing but replace would fill the disk within the
// limits, so each process bounds what a tenant takes so through it.
const (
	// graceMinutes is for how long what went out of use is counted: the sweep's usual grace.
	graceMinutes = 60
	// wasteFactor is how often what a tenant's files may have, in number and bytes, may go out of use in that time.
	wasteFactor = 2
)

// usage counts what tenants take beside their files. It is safe for concurrent use. The zero value is empty.
type usage struct {
	mu sync.Mutex
	of map[string]*tenantUsage
}

type tenantUsage struct {
	uploading int64 // bytes of uploads that have come
	minutes   [graceMinutes]minute
}

// minute is what went out of use in one minute of the clock.
type minute struct {
	at    int64 // minutes since 1970
	files int64
	bytes int64
}

// tenant returns the usage of a tenant. Preconditions: mu is held.
func (u *usage) tenant(name string, now time.Time) *tenantUsage {
	t := u.of[name]
	if t == nil {
		if u.of == nil {
			u.of = map[string]*tenantUsage{}
		}
		if len(u.of) >= 4096 { // most have long done with writing
			for name, t := range u.of {
				if files, _ := t.wasted(now); files == 0 && t.uploading == 0 {
					delete(u.of, name)
				}
			}
		}
		t = new(tenantUsage)
		u.of[name] = t
	}
	return t
}

func (t *tenantUsage) wasted(now time.Time) (files, bytes int64) {
	for _, m := range t.minutes {
		if m.at > now.Unix()/60-graceMinutes {
			files += m.files
			bytes += m.bytes
		}
	}
	return files, bytes
}

// wasted notes that contents of a tenant went out of use.
func (u *usage) wasted(tenant string, bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	at := now.Unix() / 60
	m := &u.tenant(tenant, now).minutes[at%graceMinutes]
	if m.at != at {
		*m = minute{at: at}
	}
	m.files++
	m.bytes += bytes
}

// uploaded counts n bytes more, or less, of a tenant's uploads and returns how many they are.
func (u *usage) uploaded(tenant string, n int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tenant(tenant, time.Now())
	t.uploading += n
	return t.uploading
}

// admit reports why a tenant may not put a file now.
func (u *usage) admit(tenant string, l Limits) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.of[tenant]
	if t == nil {
		return nil
	}
	files, bytes := t.wasted(time.Now())
	if files < wasteFactor*int64(l.Files) && bytes < wasteFactor*int64(l.Bytes) {
		return nil
	}
	return faas.Errorf(faas.RateLimited, "tenant %s has replaced or deleted %d files with %s within an hour: they are kept that long for calls that began before",
		tenant, files, faas.Size(bytes)).Hint("wait; it may be twice of max-files and max-files-size")
}

// tooMuchAtOnce ends an upload that comes beside too many others of its tenant.
func tooMuchAtOnce(tenant string, l Limits) error {
	return faas.Errorf(faas.RateLimited, "the uploads of tenant %s that are under way have more than %s together", tenant, l.Bytes).
		Hint("one after the other")
}
