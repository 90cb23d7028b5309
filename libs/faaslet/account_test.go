//go:build linux && cgo

package faaslet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// artefactFile compiles a module into a file.
func artefactFile(t testing.TB, e *Engine, wat string) string {
	t.Helper()
	compiled, err := e.Compile(assemble(t, wat))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.cwasm")
	if err := os.WriteFile(path, compiled, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const watData = `(module (memory (export "memory") 100) (data (i32.const 0) "abc") (data (i32.const 3000000) "abc") (func (export "handle")))`

// Whatever draws on the account takes no more of the process than it is charged.
func TestCosts(t *testing.T) {
	const n = 200
	e := newEngineWith(t, Config{NoShells: true})
	path := artefactFile(t, e, watData)
	modules, images, faaslets := make([]*Module, n), make([]*Image, n), make([]*Faaslet, 2*n)
	step := func(what string, do func(i int)) {
		t.Helper()
		before := e.Stats()
		maps, files := testenv.Held(t)
		for i := range n {
			do(i)
		}
		moreMaps, moreFiles := testenv.Held(t)
		moreMaps, moreFiles = moreMaps-maps, moreFiles-files
		after := e.Stats()
		t.Logf("%s: %.2f maps and %.2f descriptors each", what, float64(moreMaps)/n, float64(moreFiles)/n)
		const other = n / 8 // what the runtime takes meanwhile
		if moreMaps > after.Maps-before.Maps+other || moreFiles > after.Files-before.Files+other {
			t.Errorf("%d %s took %d maps and %d descriptors, %d and %d on the account", n, what, moreMaps, moreFiles, after.Maps-before.Maps, after.Files-before.Files)
		}
	}
	step("modules", func(i int) {
		var err error
		if modules[i], err = e.LoadFile(path); err != nil {
			t.Fatal(err)
		}
	})
	step("images with a Faaslet", func(i int) {
		images[i] = modules[i].NewImage("")
		faaslets[i] = newFaaslet(t, modules[i], Setup{Image: images[i]})
		if !images[i].Taken() {
			t.Fatal("no image was taken")
		}
	})
	step("Faaslets", func(i int) { faaslets[n+i] = newFaaslet(t, modules[i], Setup{Image: images[i]}) })
	for _, f := range faaslets {
		f.Close()
	}
	for i := range n {
		images[i].Close()
		modules[i].Close()
	}
	if s := e.Stats(); s.Maps != 0 || s.Files != 0 || e.Used() != 0 {
		t.Errorf("with everything closed the account has %+v", s)
	}
}

// What the account has no room for is refused, and shells give way to what is wanted.
func TestAccountIsFull(t *testing.T) {
	full := faasletCost.maps*2 + moduleCost.maps*2 + imageCost.maps
	e := newEngineWith(t, Config{MaxMaps: int(full)})
	path := artefactFile(t, e, watData)
	m, err := e.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	i := m.NewImage("")
	defer i.Close()
	a, b := newFaaslet(t, m, Setup{Image: i}), newFaaslet(t, m, Setup{Image: i})
	if _, err := m.New(t.Context(), Setup{Image: i}); err == nil || err.Code != faas.NoCapacity || !strings.Contains(err.Message, "maps") {
		t.Errorf("a Faaslet too many: %v", err)
	}
	other, err := e.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.LoadFile(path); faas.CodeOf(err) != faas.NoCapacity {
		t.Errorf("a module too many: %v", err)
	}
	other.Close()
	b.Close()
	if e.Stats().Shells != 1 {
		t.Error("no shell was left")
	}
	for range 2 { // of which the second needs the shell's room
		more, err := e.LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer more.Close()
	}
	if e.Stats().Shells != 0 {
		t.Error("the shell did not give way")
	}
	a.Close()
}

func TestDescriptorsAreOnTheAccount(t *testing.T) {
	e := newEngineWith(t, Config{MaxFiles: 4})
	path := artefactFile(t, e, watData)
	for range 4 {
		m, err := e.LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
	}
	if _, err := e.LoadFile(path); faas.CodeOf(err) != faas.NoCapacity || !strings.Contains(err.Error(), "descriptors") {
		t.Errorf("a fifth: %v", err)
	}
	if e.Used() != 100 {
		t.Errorf("%d %% used", e.Used())
	}
}

// A load that fails gives back what it was charged.
func TestFailedLoadCostsNothing(t *testing.T) {
	e := newEngine(t, nil)
	if _, err := e.LoadBytes([]byte("no artefact"), wasmbin.Info{}); err == nil {
		t.Error("loaded")
	}
	if s := e.Stats(); s.Maps != 0 || s.Files != 0 || e.account.space.Load() != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAccountOf(t *testing.T) {
	for _, c := range []struct {
		maps, space, files uint64
		want               cost
	}{
		{65530, addressSpace, 1024, cost{49147, 512, addressSpace / 100 * 75}},
		{0, 0, 0, cost{9, 2, 2 * Reserve}},
		{1 << 62, 1 << 62, 1 << 62, cost{(1 << 40) * 75 / 100, 1 << 39, (1 << 56) / 100 * 75}},
	} {
		if got := accountOf(c.maps, c.space, c.files); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestThreads(t *testing.T) {
	e := newEngineWith(t, Config{MaxMaps: 1000})
	release, err := e.Threads(200)
	if err != nil {
		t.Fatal(err)
	}
	if e.Stats().Maps != 400 {
		t.Errorf("%+v", e.Stats())
	}
	if _, err := e.Threads(300); err == nil || !strings.Contains(err.Message, "maps") {
		t.Errorf("more than half of the maps: %v", err)
	}
	if _, err := e.Threads(1 << 30); err == nil || !strings.Contains(err.Message, "threads") {
		t.Errorf("a thousand million threads: %v", err)
	}
	release()
	if e.Stats().Maps != 0 {
		t.Errorf("%+v", e.Stats())
	}
}
