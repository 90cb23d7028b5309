package artefact

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
	maxKeyFile  = 16 << 10
)

// LoadOrCreateKey returns the signing key in the file at path (PEM, PKCS #8), which it makes, mode 0600, when there is
// none. Its directory must exist. Processes may do so at the same time: all get the same key, and no one sees half a
// file. made reports whether it was this one that made it. A file that others than its owner can read or write is refused.
func LoadOrCreateKey(path string) (key ed25519.PrivateKey, made bool, err error) {
	key, err = LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, false, fmt.Errorf("making a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, false, fmt.Errorf("making a signing key: %w", err)
	}
	// A link, unlike a rename, does not replace what another process made meanwhile.
	err = writeFile(path, pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: der}), 0o600, os.Link)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, fmt.Errorf("storing the signing key: %w", err)
	}
	made = err == nil
	key, err = LoadKey(path)
	return key, made, err
}

// LoadKey is LoadOrCreateKey for a key that must be there: without one it returns an fs.ErrNotExist.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	b, err := readKeyFile(path, true)
	if err != nil {
		return nil, fmt.Errorf("loading the signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != privateType {
		return nil, fmt.Errorf("signing key %s: no PEM block %q", path, privateType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is of type %T, want Ed25519", path, parsed)
	}
	return key, nil
}

// StorePublicKey writes pub to path, mode 0644, replacing what is there in one step.
func StorePublicKey(path string, pub ed25519.PublicKey) error {
	b, err := MarshalPublicKey(pub)
	if err == nil {
		err = writeFile(path, b, 0o644, os.Rename)
	}
	if err != nil {
		return fmt.Errorf("storing the public key: %w", err)
	}
	return nil
}

// LoadPublicKey reads what StorePublicKey wrote.
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	b, err := readKeyFile(path, false)
	if err != nil {
		return nil, fmt.Errorf("loading the public key: %w", err)
	}
	pub, err := ParsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", path, err)
	}
	return pub, nil
}

// Fingerprint is a short name of pub, for people to compare: equal keys have equal fingerprints.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// MarshalPublicKey encodes pub as PEM.
func MarshalPublicKey(pub ed25519.PublicKey) ([]byte, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key has %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), nil
}

// ParsePublicKey decodes what MarshalPublicKey gave.
func ParsePublicKey(b []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != publicType {
		return nil, fmt.Errorf("no PEM block %q", publicType)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	pub, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("key is of type %T, want Ed25519", parsed)
	}
	return pub, nil
}

// readKeyFile reads a small regular file, which for a private key must be its owner's alone.
func readKeyFile(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if private && runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others than its owner could use it (chmod 600 %s)", path, st.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxKeyFile)
	}
	return b, nil
}

// writeFile writes b to a new file beside path, brings it to the disk, and only then gives it its name with place.
func writeFile(path string, b []byte, mode fs.FileMode, place func(from, to string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // exclusive, mode 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if e := os.Remove(f.Name()); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir brings the names in dir to the disk, where the system can do that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
