package upload_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/upload"
)

// TestBadArtefacts defends that what is in the store is not believed: it is compiled anew.
func TestBadArtefacts(t *testing.T) {
	module := command("x")
	for name, spoil := range map[string]func(b *bench, good []byte) []byte{
		"tampered": func(_ *bench, good []byte) []byte {
			good[len(good)-1] ^= 1
			return good
		},
		"foreign signature": func(b *bench, _ []byte) []byte {
			head, err := artefact.Sign(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32)), b.key(module), []byte("evil"))
			if err != nil {
				t.Fatal(err)
			}
			return append(head, "evil"...)
		},
		"of another CPU": func(b *bench, _ []byte) []byte {
			key := b.key(module)
			key.CPU = "other"
			head, err := artefact.Sign(signer, key, []byte("other"))
			if err != nil {
				t.Fatal(err)
			}
			return append(head, "other"...)
		},
		"truncated":   func(_ *bench, good []byte) []byte { return good[:len(good)-1] },
		"no artefact": func(*bench, []byte) []byte { return []byte("hello") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			object := b.key(module).Object()
			b.mustDeploy("a", module, "")
			if err := b.put(object, spoil(b, b.get(object))); err != nil {
				t.Fatal(err)
			}
			r := b.mustDeploy("a", module, "")
			if !r.Unchanged || r.CompileMs < 1 || b.compiles.Load() != 2 {
				t.Errorf("reply %+v after %d compiles", r, b.compiles.Load())
			}
			if err := artefact.Verify(signer.Public().(ed25519.PublicKey), b.key(module), bytes.NewReader(b.get(object)), io.Discard); err != nil {
				t.Error(err)
			}
			if !strings.Contains(b.log.String(), "stored object refused") {
				t.Error("the log does not tell")
			}
		})
	}
}

func (b *bench) get(object string) []byte {
	b.t.Helper()
	r, err := b.store.Get(b.t.Context(), object)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return body
}

func (b *bench) put(object string, body []byte) error {
	_, err := b.store.Put(b.t.Context(), object, bytes.NewReader(body))
	return err
}

func TestCompilerFails(t *testing.T) {
	var fail error
	b := newBench(t, func(c *upload.Config) {
		good := c.Compiler
		c.Compiler = fakeCompiler(func(ctx context.Context, module []byte) ([]byte, error) {
			if fail != nil {
				return nil, fail
			}
			return good.Compile(ctx, module)
		})
	})
	fail = faas.Errorf(faas.InvalidModule, "function 3: type mismatch")
	_, err := b.deploy("a", command("x"), "")
	wantError(t, err, faas.InvalidModule, "function 3: type mismatch")
	fail = errors.New("signal: segmentation fault")
	_, err = b.deploy("a", command("x"), "")
	wantError(t, err, faas.Internal, "compile", "segmentation fault")
	if !strings.Contains(b.log.String(), "segmentation fault") {
		t.Error("the log does not tell")
	}
	b.noEvent()
	fail = nil
	b.mustDeploy("a", command("x"), "") // nothing of it is remembered
}

// TestRealCompiler compiles in a child process and loads what comes out.
func TestRealCompiler(t *testing.T) {
	table := hostapi.New()
	engine, err := faaslet.NewEngine(faaslet.Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	b := newBench(t, func(c *upload.Config) {
		c.Compiler, c.Host, c.EngineVersion, c.CPU = compile.Compiler{}, wasmbin.Host{Types: table.Types}, engine.Version(), artefact.CPUFeatures()
	})
	module := guest{module: "env", name: "__faasm_write_output", entry: "_start", pages: 1}.bytes()
	r := b.mustDeploy("a", module, "")
	key := artefact.Key{Version: r.Function.Version, Engine: engine.Version(), CPU: artefact.CPUFeatures()}
	var payload bytes.Buffer
	if err := artefact.Verify(signer.Public().(ed25519.PublicKey), key, bytes.NewReader(b.get(key.Object())), &payload); err != nil {
		t.Fatal(err)
	}
	if payload.Len() < 100 {
		t.Errorf("compiled to %d bytes", payload.Len())
	}
	bad := bytes.Replace(module, []byte{10, 4, 1, 2, 0, 0x0b}, []byte{10, 5, 1, 3, 0, 0x1a, 0x0b}, 1) // drop, of nothing
	_, err = b.deploy("a", bad, "")
	wantError(t, err, faas.InvalidModule)
}
