package files

import (
	"context"
	"io/fs"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Contents gives contents of shared files on this machine. A *cache.Cache of libs/files/cache does.
type Contents interface {
	// Open returns the contents of a file of a tenant, which its digest names. It may fetch them, which takes a while and
	// ends with ctx.
	Open(ctx context.Context, tenant string, f faas.File) (vfs.Content, error)
}

// Reader gives calls the shared files of their tenant.
type Reader struct {
	view     *View
	contents Contents
}

// NewReader returns a Reader of what view has, with contents from contents.
func NewReader(view *View, contents Contents) *Reader { return &Reader{view, contents} }

// For returns the shared files of a tenant at a revision of the index that is at least revision, nil when there are none.
// It waits for what the View does not know yet: see View.At.
func (r *Reader) For(ctx context.Context, tenant string, revision uint64) (vfs.Shared, error) {
	t, err := r.view.At(ctx, tenant, revision)
	if err != nil || t.files == 0 {
		return nil, err
	}
	return &snapshot{t, tenant, r.contents}, nil
}

// Want has the View begin to follow a tenant, so that For need not wait. It does not block.
func (r *Reader) Want(tenant string) { r.view.Want(tenant) }

// snapshot is a Tree as a call sees it.
type snapshot struct {
	*Tree
	tenant   string
	contents Contents
}

var _ vfs.Shared = (*snapshot)(nil)

// Same implements vfs.Shared.
func (s *snapshot) Same(other vfs.Shared) bool {
	o, ok := other.(*snapshot)
	return ok && s.tenant == o.tenant && s.root == o.root
}

// Lookup implements vfs.Shared.
func (s *snapshot) Lookup(path string) (vfs.Info, bool) {
	n := s.find(path)
	if n == nil {
		return vfs.Info{}, false
	}
	return n.info(path), true
}

// List implements vfs.Shared.
func (s *snapshot) List(path string) []vfs.Info {
	n := s.find(path)
	if n == nil || !n.dir() && path != "" {
		return nil
	}
	if l := n.list.Load(); l != nil {
		return *l
	}
	list := make([]vfs.Info, len(n.children))
	for i, c := range n.children {
		p := c.name
		if path != "" {
			p = path + "/" + c.name
		}
		list[i] = c.info(p)
	}
	n.list.Store(&list) // of several at once any: they are equal
	return list
}

// Open implements vfs.Shared. What is no file is fs.ErrNotExist, a directory fs.ErrInvalid.
func (s *snapshot) Open(ctx context.Context, path string) (vfs.Content, error) {
	n := s.find(path)
	switch {
	case n == nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	case n.dir() || n.file == nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	return s.contents.Open(ctx, s.tenant, n.file.File)
}

// info describes n, which is at path.
func (n *node) info(path string) vfs.Info {
	if n.file != nil && !n.dir() {
		return vfs.Info{Name: n.name, Size: n.file.Size, Modified: n.file.Modified, Inode: n.file.inode}
	}
	return vfs.Info{Name: n.name, Dir: true, Modified: n.modified, Inode: inodeOf(path, "")}
}
