package wasmbin

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shoal-run/shoal/internal/testenv"
)

// goReactor builds a Go guest of about 3 MB.
func goReactor(t testing.TB) []byte {
	t.Helper()
	testenv.Need(t, testenv.GoWasm)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module guest\n\ngo 1.26\n",
		"main.go": `package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

//go:wasmexport handle
func handle() int32 {
	b, _ := io.ReadAll(os.Stdin)
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return 1
	}
	fmt.Println(v)
	return 0
}

func main() {}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoReactor(t *testing.T) {
	b := goReactor(t)
	m := mustParse(t, b)
	host := func(module, name string) (params, results []byte, ok bool) {
		for _, in := range m.Imports {
			if in.Module == module && in.Name == name {
				return m.Types[in.Type].Params, m.Types[in.Type].Results, true
			}
		}
		return nil, nil, false
	}
	info, err := Check(m, Host{Types: host})
	if err != nil || info.Entry != "handle" || len(info.Inits) != 1 || info.HasStart || len(info.Imports) == 0 {
		t.Errorf("%+v, %v", info, err)
	}
	checkAdded(t, m, instrumented(t, b))
}

func BenchmarkParse(b *testing.B) {
	guest := goReactor(b)
	b.SetBytes(int64(len(guest)))
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, guest)
	}
}

// BenchmarkInstrument includes the parsing.
func BenchmarkInstrument(b *testing.B) {
	guest := goReactor(b)
	b.SetBytes(int64(len(guest)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Instrument(guest); err != nil {
			b.Fatal(err)
		}
	}
}
