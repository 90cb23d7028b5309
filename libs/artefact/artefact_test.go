package artefact

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shoal-run/shoal/bus/faas"
)

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var (
	wanted  = Key{Version: faas.VersionOf([]byte("module")), Engine: "wasmtime-25.0.0+shoal1", CPU: "amd64+avx+avx2"}
	payload = bytes.Repeat([]byte("machine code "), 10_000)
)

func artefact(t testing.TB, key ed25519.PrivateKey, k Key, payload []byte) []byte {
	t.Helper()
	h, err := Sign(key, k, payload)
	if err != nil {
		t.Fatal(err)
	}
	return append(h, payload...)
}

func TestVerifyCopiesThePayload(t *testing.T) {
	for _, n := range []int{0, 1, 32 << 10, len(payload)} {
		a := artefact(t, testKey(1), wanted, payload[:n])
		for _, r := range []io.Reader{bytes.NewReader(a), iotest.OneByteReader(bytes.NewReader(a)), iotest.DataErrReader(bytes.NewReader(a))} {
			var w bytes.Buffer
			if err := Verify(public(testKey(1)), wanted, r, &w); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if !bytes.Equal(w.Bytes(), payload[:n]) {
				t.Fatalf("%d bytes: the payload changed", n)
			}
		}
	}
}

func TestVerifyRefusesOtherKeys(t *testing.T) {
	a := artefact(t, testKey(1), wanted, payload)
	for _, k := range []struct {
		name string
		pub  ed25519.PublicKey
		want Key
		err  error
		says string
	}{
		{"foreign key", public(testKey(2)), wanted, ErrSignature, "signature"},
		{"other module", public(testKey(1)), Key{faas.VersionOf(nil), wanted.Engine, wanted.CPU}, ErrMismatch, "module version"},
		{"other engine", public(testKey(1)), Key{wanted.Version, "wasmtime-26", wanted.CPU}, ErrMismatch, `engine "wasmtime-25.0.0+shoal1", want "wasmtime-26"`},
		{"other cpu", public(testKey(1)), Key{wanted.Version, wanted.Engine, "amd64+avx"}, ErrMismatch, `cpu "amd64+avx+avx2", want "amd64+avx"`},
	} {
		var w bytes.Buffer
		err := Verify(k.pub, k.want, bytes.NewReader(a), &w)
		if !errors.Is(err, k.err) || !strings.Contains(err.Error(), k.says) {
			t.Errorf("%s: %v, want %v with %q", k.name, err, k.err, k.says)
		}
		if w.Len() > 0 {
			t.Errorf("%s: %d bytes were written", k.name, w.Len())
		}
	}
	if err := Verify(nil, wanted, bytes.NewReader(a), io.Discard); err == nil {
		t.Error("verified without a public key")
	}
}

// TestVerifyRefusesEveryTamperedByte changes each byte of the header and some of the payload.
func TestVerifyRefusesEveryTamperedByte(t *testing.T) {
	a := artefact(t, testKey(1), wanted, payload)
	head := len(a) - len(payload)
	regions := []struct {
		name     string
		from, to int
		errs     []error
	}{
		{"magic", 0, 8, []error{ErrFormat}},
		{"format version", 8, 10, []error{ErrFormat}},
		{"lengths", 10, 16, []error{ErrFormat, ErrSignature}},
		{"digests", 16, 80, []error{ErrSignature}},
		{"payload length", 80, 88, []error{ErrFormat, ErrSignature}},
		{"engine and cpu", 88, head - 64, []error{ErrSignature}},
		{"signature", head - 64, head, []error{ErrSignature}},
		{"payload", head, head + 100, []error{ErrCorrupt}},
		{"payload's end", len(a) - 100, len(a), []error{ErrCorrupt}},
	}
	for _, g := range regions {
		for i := g.from; i < g.to; i++ {
			for _, flip := range []byte{1, 0x80, 0xff} {
				b := bytes.Clone(a)
				b[i] ^= flip
				err := Verify(public(testKey(1)), wanted, bytes.NewReader(b), io.Discard)
				if !isOne(err, g.errs) {
					t.Fatalf("%s, byte %d ^ %#x: %v, want one of %v", g.name, i, flip, err, g.errs)
				}
			}
		}
	}
}

func isOne(err error, of []error) bool {
	for _, e := range of {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func TestVerifyRefusesOtherLengths(t *testing.T) {
	a := artefact(t, testKey(1), wanted, payload)
	head := len(a) - len(payload)
	for n := range len(a) {
		if n > head+5 && n < len(a)-5 {
			continue
		}
		want := ErrCorrupt
		if n < head {
			want = ErrFormat
		}
		if err := Verify(public(testKey(1)), wanted, bytes.NewReader(a[:n]), io.Discard); !errors.Is(err, want) {
			t.Fatalf("cut to %d bytes: %v, want %v", n, err, want)
		}
	}
	var w bytes.Buffer
	endless := io.MultiReader(bytes.NewReader(a), zeros{})
	if err := Verify(public(testKey(1)), wanted, endless, &w); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("longer: %v", err)
	}
	if w.Len() > len(payload) {
		t.Fatalf("wrote %d bytes of a payload of %d", w.Len(), len(payload))
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestVerifyRefusesHugeLengths has a genuine signature under a length that nothing may have.
func TestVerifyRefusesHugeLengths(t *testing.T) {
	for _, n := range []uint64{uint64(MaxPayload) + 1, 1 << 63, 1<<64 - 1} {
		h := appendHeader(nil, wanted, sha256.Sum256(nil), n)
		h = append(h, ed25519.Sign(testKey(1), h)...)
		if err := Verify(public(testKey(1)), wanted, bytes.NewReader(h), io.Discard); !errors.Is(err, ErrFormat) {
			t.Errorf("length %d: %v", n, err)
		}
	}
}

func TestVerifyPassesOnErrorsOfReaderAndWriter(t *testing.T) {
	a := artefact(t, testKey(1), wanted, payload)
	boom := errors.New("boom")
	for _, n := range []int{0, 50, 200, len(a) - 1, len(a)} {
		r := io.MultiReader(bytes.NewReader(a[:n]), iotest.ErrReader(boom))
		if err := Verify(public(testKey(1)), wanted, r, io.Discard); !errors.Is(err, boom) {
			t.Errorf("reader fails after %d: %v", n, err)
		}
	}
	if err := Verify(public(testKey(1)), wanted, bytes.NewReader(a), failing{boom}); !errors.Is(err, boom) {
		t.Errorf("writer fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestVerifyNeedsConstantMemory(t *testing.T) {
	const size = 64 << 20
	big := make([]byte, size)
	h, err := Sign(testKey(1), wanted, big)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := io.MultiReader(bytes.NewReader(h), io.LimitReader(zeros{}, size))
	if err := Verify(public(testKey(1)), wanted, r, io.Discard); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for a payload of %d", n, size)
	}
}

func TestSignRefusesImpossibleKeys(t *testing.T) {
	for _, k := range []Key{
		{},
		{"abc", "e", "c"},
		{wanted.Version, "", "c"},
		{wanted.Version, "e", ""},
		{wanted.Version, strings.Repeat("e", maxEngine+1), "c"},
		{wanted.Version, "e", strings.Repeat("c", maxCPU+1)},
	} {
		if _, err := Sign(testKey(1), k, nil); err == nil {
			t.Errorf("signed for %+v", k)
		}
		if err := Verify(public(testKey(1)), k, strings.NewReader(""), io.Discard); err == nil || errors.Is(err, ErrFormat) {
			t.Errorf("verifying for %+v: %v", k, err)
		}
	}
	if _, err := Sign(nil, wanted, nil); err == nil {
		t.Error("signed without a key")
	}
}

// TestHeaderBytes pins the format: artefacts outlive the program that wrote them.
func TestHeaderBytes(t *testing.T) {
	h, err := Sign(testKey(1), wanted, []byte("code"))
	if err != nil {
		t.Fatal(err)
	}
	if n := fixedLen + len(wanted.Engine) + len(wanted.CPU) + 64; len(h) != n {
		t.Fatalf("header of %d bytes, want %d", len(h), n)
	}
	sum := sha256.Sum256([]byte("code"))
	module := sha256.Sum256([]byte("module"))
	for _, f := range []struct {
		at   int
		want []byte
	}{
		{0, []byte("SHOAL\x00AF\x00\x01\x00\x16\x00\x0e\x00\x00")},
		{16, module[:]},
		{48, sum[:]},
		{80, binary.BigEndian.AppendUint64(nil, 4)},
		{88, []byte("wasmtime-25.0.0+shoal1amd64+avx+avx2")},
	} {
		if got := h[f.at : f.at+len(f.want)]; !bytes.Equal(got, f.want) {
			t.Errorf("byte %d: %q, want %q", f.at, got, f.want)
		}
	}
}

func TestObjectNames(t *testing.T) {
	seen := map[string]Key{}
	for _, k := range []Key{
		wanted,
		{faas.VersionOf(nil), wanted.Engine, wanted.CPU},
		{wanted.Version, "wasmtime-26", wanted.CPU},
		{wanted.Version, wanted.Engine, "amd64"},
		{wanted.Version, "ab", "c"},
		{wanted.Version, "a", "bc"},
	} {
		name := k.Object()
		if other, dup := seen[name]; dup {
			t.Errorf("%+v and %+v are both %s", k, other, name)
		}
		if strings.Trim(name, "0123456789abcdef.") != "" || len(name) != 64+1+16 {
			t.Errorf("object name %q", name)
		}
		seen[name] = k
	}
}

func FuzzVerify(f *testing.F) {
	a := artefact(f, testKey(1), wanted, []byte("code"))
	f.Add(a)
	f.Add(a[:50])
	f.Add([]byte{})
	f.Add(append(bytes.Clone(a), 0))
	f.Add(artefact(f, testKey(2), wanted, []byte("code")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var w bytes.Buffer
		err := Verify(public(testKey(1)), wanted, bytes.NewReader(b), &w)
		if err == nil && !bytes.Equal(b, a) {
			t.Fatalf("accepted %q", b)
		}
		if err != nil && !isOne(err, []error{ErrFormat, ErrSignature, ErrMismatch, ErrCorrupt}) {
			t.Fatalf("error without a sentinel: %v", err)
		}
		if w.Len() > len("code") {
			t.Fatalf("wrote %q", w.Bytes())
		}
	})
}
