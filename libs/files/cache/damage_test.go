package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the store has is not what the digest names: nobody reads a byte of it, and nothing stays.
func TestDamagedInStore(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"changed": func(b []byte) []byte { b[0] ^= 1; return b },
		"cut off": func(b []byte) []byte { return b[:999] },
		"longer":  func(b []byte) []byte { return append(b, 'x') },
	} {
		s := newStore(1)
		k := "me/" + fileOf(body(0)).Digest
		s.objects[k] = spoil(s.objects[k])
		c, dir := newCache(t, s, 0)
		if _, err := c.Open(t.Context(), "me", fileOf(body(0))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if got := c.Stats(); len(onDisk(t, dir)) != 0 || got.Files != 0 || got.Bytes != 0 {
			t.Errorf("%s: left %v, %+v", name, onDisk(t, dir), got)
		}
	}
}

// A file on the disk that somebody has changed, cut or deleted is fetched again when it is opened anew, and a read of it
// fails where it would give other bytes.
func TestDamagedOnDisk(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"changed": func(path string) error {
			return errors.Join(os.WriteFile(path, bytes.Repeat([]byte("z"), 1000), 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
		},
		"cut off": func(path string) error { return os.Truncate(path, 10) },
		"deleted": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(2)
			c, dir := newCache(t, s, 0, func(c *Config) { c.Descriptors = 1 })
			held := open(t, c, 0)
			path := onDisk(t, dir)[0]
			open(t, c, 1).Close() // takes its descriptor
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if _, err := held.ReadAt(make([]byte, 10), 100); !errors.Is(err, ErrDamaged) {
				t.Errorf("read of the damaged file: %v", err)
			}
			open(t, c, 0).Close()
			if n := s.fetched.Load(); n != 3 {
				t.Errorf("fetched %d times", n)
			}
			held.Close()
			open(t, c, 0).Close()
			if got := c.Stats(); got.Files != 2 || got.Bytes != 2000 || s.fetched.Load() != 3 {
				t.Errorf("%+v after %d fetches", got, s.fetched.Load())
			}
		})
	}
	s := newStore(1)
	c, dir := newCache(t, s, 0)
	held := open(t, c, 0)
	defer held.Close()
	if err := os.Truncate(onDisk(t, dir)[0], 10); err != nil {
		t.Fatal(err)
	}
	if n, err := held.ReadAt(make([]byte, 100), 0); n != 10 || !errors.Is(err, ErrDamaged) {
		t.Errorf("cut off while it is open: %d, %v", n, err)
	}
}

// An earlier life's files are not trusted, and other people's are left alone.
func TestClears(t *testing.T) {
	s := newStore(1)
	dir := t.TempDir()
	for _, name := range []string{"x" + suffix, "keep"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := New(Config{Dir: dir, Store: s})
	defer c.Close()
	open(t, c, 0).Close()
	if got := onDisk(t, dir); len(got) != 2 || !strings.HasSuffix(strings.Join(got, " "), "keep") {
		t.Errorf("left %v", got)
	}
}

// A disk that is full takes what is idle away; when nothing is, the open fails and all else goes on.
func TestFullDisk(t *testing.T) {
	full := func(dir string) func(string, int, os.FileMode) (*os.File, error) {
		return func(path string, flag int, perm os.FileMode) (*os.File, error) {
			if there, _ := os.ReadDir(dir); len(there) >= 2 {
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.ENOSPC}
			}
			return os.OpenFile(path, flag, perm)
		}
	}
	c, dir := newCache(t, newStore(4), 0, func(c *Config) { c.create = full(c.Dir) })
	held := open(t, c, 0)
	open(t, c, 1).Close()
	second := open(t, c, 2) // for which the first that is idle went
	if _, err := c.Open(t.Context(), "me", fileOf(body(3))); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("with all of the disk held: %v", err)
	}
	wantBody(t, held, 0)
	second.Close()
	open(t, c, 3).Close()
	held.Close()
	if n := len(onDisk(t, dir)); n != 2 {
		t.Errorf("%d files", n)
	}
}
