package vfs

// Pinned returns how many nodes are kept below the root.
func Pinned(f *FS) int { return pinned(f.root) }

func pinned(dir *node) int {
	n := len(dir.entries)
	for _, e := range dir.entries {
		if e.node != nil {
			n += pinned(e.node)
		}
	}
	return n
}
