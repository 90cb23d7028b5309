package suite

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/standalone"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	leakcheck.Main(m)
}

// start runs everything, with an echo deployed as t/echo, for a test that leaves nothing behind.
func start(t *testing.T, cfg standalone.Config) *framework.Standalone {
	t.Helper()
	leakcheck.Check(t)
	s := framework.Start(t, cfg)
	s.Deploy(t, "t/echo", wasm(t, watEcho))
	return s
}

var inputs atomic.Int64

// stillAnswers fails t unless an ordinary call is answered, over HTTP.
func stillAnswers(t *testing.T, s *framework.Standalone) {
	t.Helper()
	input := fmt.Appendf(nil, "still there? %d", inputs.Add(1))
	if a := s.Call(t, "t/echo", input); a.Err != nil || !bytes.Equal(a.Body, input) {
		t.Fatalf("an ordinary call afterwards: %d %q, %v", a.Status, a.Body, a.Err)
	}
}

// wasm assembles a guest.
func wasm(t testing.TB, wat string) []byte {
	t.Helper()
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatalf("%v\n%s", err, wat)
	}
	return b
}

// wantError fails t unless err has the code and its message every one of the words.
func wantError(t testing.TB, err *faas.Error, code faas.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("succeeded, want %s", code)
	}
	if err.Code != code {
		t.Fatalf("%v, want %s", err, code)
	}
	for _, w := range words {
		if !bytes.Contains([]byte(err.Message), []byte(w)) {
			t.Errorf("%q does not name %q", err.Message, w)
		}
	}
}
