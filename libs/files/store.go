package files

import (
	"context"
	"hash/maphash"
	"io"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

// Limits are what a tenant may have. The zero value of a field means its default.
type Limits struct {
	File  faas.Size // of one file; default and at most faas.MaxFile
	Files int       // default faas.DefaultFiles
	Bytes faas.Size // of all together; default faas.DefaultFileBytes
}

func (l Limits) withDefaults() Limits {
	if l.File == 0 {
		l.File = faas.MaxFile
	}
	if l.Files == 0 {
		l.Files = faas.DefaultFiles
	}
	if l.Bytes == 0 {
		l.Bytes = faas.DefaultFileBytes
	}
	return l
}

// newsWait is how long a write that lost a race waits for the View to hear who won, before it reads the tenant anew.
const newsWait = 250 * time.Millisecond

// commitTimeout bounds making the index name contents that are stored. It is much shorter than any grace of a sweep, which
// lets them be that long.
const commitTimeout = time.Minute

// Store is what a gateway changes and reads shared files with. It is safe for concurrent use, also by several processes.
type Store struct {
	bucket *Bucket
	view   *View
	limits Limits
	writes writes
	usage  usage

	seed  maphash.Seed
	turns [64]chan struct{} // by tenant: who commits. Writers of a process would only lose races against each other
}

// New returns a Store over bucket that takes what tenants have from view.
func New(bucket *Bucket, view *View, limits Limits) *Store {
	s := &Store{bucket: bucket, view: view, limits: limits.withDefaults(), seed: maphash.MakeSeed()}
	for i := range s.turns {
		s.turns[i] = make(chan struct{}, 1)
	}
	return s
}

// Condition says whether a write may go on: it is told the file that it would replace or delete, nil when there is none,
// and its error is that of the write.
type Condition func(now *faas.File) error

// Upload is a file on its way in.
type Upload struct {
	Tenant, Path string
	Body         io.Reader
	Size         int64     // in bytes; -1 when it is not known before it was read
	If           Condition // nil: always
}

// Put stores a file in the place of what was at its path, and reports whether there was nothing. The body is streamed; until
// Put returns, and after an error too, readers get what was there. Of two at the same time the one that ends last stays,
// whole. An error of the bus while the index is written leaves open which of the two files is there.
//
// Errors: bad_request for a path that can't be one, conflict when a directory is there or a part of the path is a file,
// too_large beyond a limit, which it names, rate_limited when the tenant has replaced too much of late, the condition's, the body's, and the store's own.
func (s *Store) Put(ctx context.Context, u Upload) (f faas.File, created bool, err error) {
	if err := check(u.Tenant, u.Path); err != nil {
		return faas.File{}, false, err
	}
	t, err := s.tree(ctx, u.Tenant)
	if err != nil {
		return faas.File{}, false, err
	}
	if err := s.admit(t, u.Tenant, u.Path, max(u.Size, 0), u.If); err != nil { // before the work
		return faas.File{}, false, err
	}
	if err := s.usage.admit(u.Tenant, s.limits); err != nil {
		return faas.File{}, false, err
	}
	body := &upload{store: s, tenant: u.Tenant, r: u.Body, room: s.room(t, u.Path)}
	defer body.end()
	if !body.hold(max(u.Size, 0)) {
		return faas.File{}, false, tooMuchAtOnce(u.Tenant, s.limits)
	}
	info, err := s.bucket.objects.PutNamed(ctx, body, contentsOf(u.Tenant))
	if err != nil {
		if body.over {
			return faas.File{}, false, s.admit(t, u.Tenant, u.Path, body.read, u.If)
		}
		return faas.File{}, false, err
	}
	f = faas.File{Path: u.Path, Size: info.Size, Digest: info.Sum(), Modified: time.Now().UTC().Truncate(time.Millisecond)}
	if created, err = s.commit(ctx, u.Tenant, u.Path, &f, u.If); err != nil {
		s.usage.wasted(u.Tenant, f.Size)
		return faas.File{}, false, err
	}
	return f, created, nil
}

// Delete deletes a file; not_found when there is none. Calls that began before go on reading it.
func (s *Store) Delete(ctx context.Context, tenant, path string, when Condition) error {
	if err := check(tenant, path); err != nil {
		return err
	}
	_, err := s.commit(ctx, tenant, path, nil, when)
	return err
}

// commit makes f, or with nil nothing, what the index has at path.
func (s *Store) commit(ctx context.Context, tenant, path string, f *faas.File, when Condition) (created bool, err error) {
	what := "store the file " + tenant + "/" + path
	if f == nil {
		what = "delete the file " + tenant + "/" + path
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	turn := s.turns[maphash.String(s.seed, tenant)%uint64(len(s.turns))]
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return false, natserr.Wrap(ctx.Err(), what)
	}
	t, err := s.tree(ctx, tenant)
	if err != nil {
		return false, err
	}
	for {
		old, there := t.File(path)
		switch {
		case f != nil:
			err = s.admit(t, tenant, path, f.Size, when)
		case !there:
			if _, rev, gerr := s.bucket.get(ctx, tenant, path); gerr != nil {
				return false, gerr
			} else if t, err = s.view.At(ctx, tenant, rev); err != nil { // another process has just put it
				return false, err
			}
			continue
		case when != nil:
			err = when(&old)
		}
		if err != nil {
			return false, err
		}
		if there && (f == nil || f.Digest != old.Digest) {
			if err := s.bucket.touch(ctx, tenant, old.Digest); err != nil { // for calls that began before
				return false, err
			}
		}
		rev, err := s.bucket.write(ctx, tenant, path, f, t.expect)
		if natserr.IsConflict(err) {
			if t, err = s.news(ctx, tenant, t); err != nil {
				return false, natserr.Wrap(err, what)
			}
			continue
		}
		if err != nil {
			return false, natserr.Wrap(err, what)
		}
		if there && (f == nil || f.Digest != old.Digest) {
			s.usage.wasted(tenant, old.Size)
		}
		s.writes.note(tenant, rev)
		s.view.wrote(tenant, t, change{path, rev, f})
		return !there, nil
	}
}

// news returns what a tenant has after t, which was not up to date.
func (s *Store) news(ctx context.Context, tenant string, t *Tree) (*Tree, error) {
	short, cancel := context.WithTimeout(ctx, newsWait)
	defer cancel()
	if now, err := s.view.At(short, tenant, t.revision+1); err == nil {
		return now, nil
	}
	return s.view.refresh(ctx, tenant)
}

// tree returns what a tenant has, at least what this process has written.
func (s *Store) tree(ctx context.Context, tenant string) (*Tree, error) {
	t, err := s.view.At(ctx, tenant, s.lastWrite(tenant))
	if err != nil && ctx.Err() == nil && s.lastWrite(tenant) > 0 { // the index may be an older one that was put back
		return s.view.refresh(ctx, tenant)
	}
	return t, err
}

// Revision returns the revision of the index that a call must see to see what this process has written of a tenant not long
// ago: 0 when that is nothing. A nil Store has written nothing.
func (s *Store) Revision(tenant string) uint64 {
	if s == nil {
		return 0
	}
	return s.lastWrite(tenant)
}

// lastWrite returns the revision of the last write that is remembered of a tenant. Revisions of an index that was replaced
// since, by another one or an older copy, mean nothing: no View would ever come to them.
func (s *Store) lastWrite(tenant string) uint64 {
	return s.writes.last(tenant, s.view.restarted.Load())
}

// Stat returns a file as the index has it now; not_found when there is none.
func (s *Store) Stat(ctx context.Context, tenant, path string) (faas.File, error) {
	if err := check(tenant, path); err != nil {
		return faas.File{}, err
	}
	f, rev, err := s.bucket.get(ctx, tenant, path)
	last := s.lastWrite(tenant)
	if code := faas.CodeOf(err); rev >= last || code != "" && code != faas.NotFound {
		return f, err
	}
	// A replica of the index answered that may not have yet what this process has written. What the tree knows is newer.
	t, terr := s.tree(ctx, tenant)
	if terr != nil || rev > t.revision {
		return f, err
	}
	if f, there := t.File(path); there {
		return f, nil
	}
	return faas.File{}, noFile(tenant, path)
}

// Open opens a file for reading, which ends with ctx. The reader fails in place of io.EOF when the bytes are not those that
// were put; what was read before must not be used then.
func (s *Store) Open(ctx context.Context, tenant, path string) (faas.File, io.ReadCloser, error) {
	for tries := 0; ; tries++ {
		f, err := s.Stat(ctx, tenant, path)
		if err != nil {
			return f, nil, err
		}
		r, err := s.bucket.Get(ctx, tenant, f.Digest)
		if faas.CodeOf(err) != faas.NotFound {
			return f, r, err
		}
		if tries == 2 { // it was not replaced twice in a moment: the contents are lost
			return f, nil, faas.Errorf(faas.Unavailable, "the contents of the file %s/%s are gone from the store", tenant, path).Hint("put it again")
		}
	}
}

// List returns up to most files of a tenant, after the path after and with paths that begin with prefix, part by part in
// the order of their names, and whether there are more. It has at least what this process has written.
func (s *Store) List(ctx context.Context, tenant, prefix, after string, most int) (list []faas.File, more bool, err error) {
	t, err := s.tree(ctx, tenant)
	if err != nil {
		return nil, false, err
	}
	t.walk(prefix, after, func(f faas.File) bool {
		if more = len(list) == most; more {
			return false
		}
		list = append(list, f)
		return true
	})
	return list, more, nil
}

func check(tenant, path string) error {
	if err := faas.CheckName("tenant", tenant); err != nil {
		return err
	}
	return faas.CheckFilePath(path)
}
