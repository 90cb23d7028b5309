package files

import (
	"io"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// admit reports why a file of size bytes can't be put at path of a tenant that has t.
func (s *Store) admit(t *Tree, tenant, path string, size int64, when Condition) error {
	if why := t.conflict(path); why != "" {
		return faas.Errorf(faas.Conflict, "can't put %s: %s", path, why)
	}
	old, there := t.File(path)
	if when != nil {
		var now *faas.File
		if there {
			now = &old
		}
		if err := when(now); err != nil {
			return err
		}
	}
	switch {
	case size > int64(s.limits.File):
		return faas.Errorf(faas.TooLarge, "the file is larger than %s", s.limits.File).Hint("the limit is the gateway's max-file")
	case !there && t.files >= s.limits.Files:
		return faas.Errorf(faas.TooLarge, "tenant %s has %d files, as many as it may", tenant, t.files).
			Hint("delete some; the limit is the gateway's max-files")
	case t.bytes-old.Size+size > int64(s.limits.Bytes):
		return faas.Errorf(faas.TooLarge, "with this file those of tenant %s have more than %s together, of which %s are taken", tenant,
			s.limits.Bytes, faas.Size(t.bytes-old.Size)).Hint("delete some; the limit is the gateway's max-files-size")
	}
	return nil
}

// room returns how large a file may be that is put at path of a tenant that has t.
func (s *Store) room(t *Tree, path string) int64 {
	old, _ := t.File(path)
	return max(min(int64(s.limits.File), int64(s.limits.Bytes)-t.bytes+old.Size), 0)
}

// upload reads the body of an upload within its limits.
type upload struct {
	store  *Store
	tenant string
	r      io.Reader
	room   int64
	read   int64
	held   int64 // what counts as under way: the size that was said, or more when more has come
	over   bool  // there is more than room
}

func (u *upload) Read(p []byte) (int, error) {
	if u.over {
		return 0, errOver
	}
	n, err := u.r.Read(p)
	u.read += int64(n)
	if u.over = u.read > u.room; u.over {
		return 0, errOver
	}
	if more := u.read - u.held; more > 0 && !u.hold(more) {
		return 0, tooMuchAtOnce(u.tenant, u.store.limits)
	}
	return n, err
}

// hold counts n bytes more as under way, and reports whether they are not too many with the tenant's others.
func (u *upload) hold(n int64) bool {
	u.held += n
	return u.store.usage.uploaded(u.tenant, n) <= int64(u.store.limits.Bytes)
}

// end says that nothing of it is under way any more.
func (u *upload) end() {
	if u.held > 0 {
		u.store.usage.uploaded(u.tenant, -u.held)
	}
}

// errOver ends a body that passes a limit; who reads it says which one.
var errOver = faas.Errorf(faas.TooLarge, "over a limit")

// contentsOf names contents of a tenant by what they are.
func contentsOf(tenant string) func(objectstore.Info) (string, error) {
	return func(i objectstore.Info) (string, error) { return object(tenant, i.Sum()), nil }
}

// rememberWrites is how long a write is remembered: long after every View has heard of it, and much less than the index
// remembers deletions, so that no View waits for one that it can't hear of any more.
const rememberWrites = 10 * time.Minute

// writes remembers the last write of each tenant that this process has made not long ago.
type writes struct {
	of sync.Map // of string to write
}

type write struct {
	rev  uint64
	when time.Time
}

func (w *writes) note(tenant string, rev uint64) {
	w.of.Store(tenant, write{rev, time.Now()}) // the writer has the tenant's turn: no other one is later
}

// last returns the revision of a tenant's last write, 0 when it is not remembered or not after since, in Unix nanoseconds.
func (w *writes) last(tenant string, since int64) uint64 {
	v, ok := w.of.Load(tenant)
	if !ok {
		return 0
	}
	if last := v.(write); last.when.UnixNano() > since && time.Since(last.when) < rememberWrites {
		return last.rev
	}
	w.of.CompareAndDelete(tenant, v)
	return 0
}
