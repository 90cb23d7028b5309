package artefact

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrCreateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.key")
	key, made, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	again, madeAgain, err := LoadOrCreateKey(path)
	if err != nil || !key.Equal(again) {
		t.Errorf("the second load gave another key (%v)", err)
	}
	if !made || madeAgain {
		t.Errorf("made says %v and %v", made, madeAgain)
	}
	onlyFile(t, path)
}

// onlyFile checks that nothing else was left beside path.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestConcurrentCreatorsGetOneKey(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "signing.key")
		keys := make([]ed25519.PrivateKey, 16)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				key, _, err := LoadOrCreateKey(path)
				if err != nil {
					t.Error(err)
				}
				keys[i] = key
			})
		}
		wg.Wait()
		for _, k := range keys {
			if !k.Equal(keys[0]) {
				t.Fatal("two creators have different keys")
			}
		}
		onlyFile(t, path)
	}
}

func TestBadKeyFiles(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if _, _, err := LoadOrCreateKey(good); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	const rsaLike = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	for _, k := range []struct {
		name, text string
		mode       os.FileMode
		says       string
	}{
		{"wide", string(pem), 0o640, "chmod 600"},
		{"world", string(pem), 0o604, "chmod 600"},
		{"empty", "", 0o600, "no PEM block"},
		{"garbage", "hello", 0o600, "no PEM block"},
		{"other block", strings.ReplaceAll(string(pem), "PRIVATE", "PUBLIC"), 0o600, "no PEM block"},
		{"no key", rsaLike, 0o600, "signing key"},
		{"huge", strings.Repeat("x", maxKeyFile+1), 0o600, "more than"},
	} {
		path := filepath.Join(dir, k.name)
		if err := os.WriteFile(path, []byte(k.text), k.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, k.mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadOrCreateKey(path); err == nil || !strings.Contains(err.Error(), k.says) {
			t.Errorf("%s: %v, want %q", k.name, err, k.says)
		}
	}
	if _, _, err := LoadOrCreateKey(dir); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("directory: %v", err)
	}
	if _, _, err := LoadOrCreateKey(filepath.Join(dir, "missing", "key")); err == nil {
		t.Error("made a key in a directory that is not there")
	}
}

func TestPublicKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.pub")
	if _, err := LoadPublicKey(path); err == nil {
		t.Error("loaded a key that is not there")
	}
	for _, seed := range []byte{1, 2} { // the second replaces the first
		pub := public(testKey(seed))
		if err := StorePublicKey(path, pub); err != nil {
			t.Fatal(err)
		}
		got, err := LoadPublicKey(path)
		if err != nil || !pub.Equal(got) {
			t.Fatalf("loaded another key (%v)", err)
		}
	}
	onlyFile(t, path)
	if err := StorePublicKey(path, nil); err == nil {
		t.Error("stored no key")
	}
	if _, err := ParsePublicKey([]byte("hello")); err == nil {
		t.Error("parsed no key")
	}
}

func TestFeatureSet(t *testing.T) {
	got := featureSet("amd64", []feature{{"avx", true}, {"bmi1", false}, {"sse3", true}})
	if got != "amd64+avx+sse3" {
		t.Error(got)
	}
	if got := featureSet("riscv64", nil); got != "riscv64" {
		t.Error(got)
	}
	if a, b := CPUFeatures(), CPUFeatures(); a != b || len(a) > maxCPU {
		t.Errorf("%q and %q", a, b)
	}
	for i, fs := 1, cpuFeatures(); i < len(fs); i++ {
		if fs[i-1].name >= fs[i].name {
			t.Errorf("%s is not before %s", fs[i-1].name, fs[i].name)
		}
	}
}
