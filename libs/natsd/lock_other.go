//go:build !unix

package natsd

import (
	"os"
	"path/filepath"
)

// lockDir opens the lock file; this system has no flock, so nothing keeps a second server away.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
