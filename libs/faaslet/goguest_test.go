//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// goModule builds a Go guest of that main package, with the SDK, and loads it as a worker does.
func goModule(t testing.TB, text string) *Module { return goModuleWith(t, "../../sdk/go", text) }

// goModuleWith is goModule with another SDK.
func goModuleWith(t testing.TB, sdk, text string) *Module {
	t.Helper()
	testenv.Need(t, testenv.GoWasm)
	sdk, err := filepath.Abs(sdk)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module guest\n\ngo 1.26\n\nrequire github.com/shoal-run/shoal/sdk/go v0.0.0\n\n" +
			"replace github.com/shoal-run/shoal/sdk/go => " + strconv.Quote(sdk) + "\n",
		"main.go": text,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, nil)
	artefact, err := e.Compile(module)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "artefact")
	if err := os.WriteFile(file, artefact, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := e.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if !m.resets {
		t.Error("the module itself could be reset, and is taken not to be")
	}
	return m
}

// A Go guest seeds its runtime in its initialiser. Without the SDK nobody renews that; and with it, what other initialisers
// drew is known to the program alone.
func TestGoGuestsThatAreNeverReset(t *testing.T) {
	handler := "\n\nfunc init() { shoal.Handle(func(in []byte) ([]byte, error) { return in, nil }) }\n\nfunc main() {}\n"
	sdk := "package main\n\nimport shoal \"github.com/shoal-run/shoal/sdk/go\"\nimport "
	for name, c := range map[string]struct {
		text  string
		reset bool
	}{
		"without the SDK": {text: "package main\n\n//go:wasmexport handle\nfunc handle() int32 { return 0 }\n\nfunc main() {}\n"},
		"time of day":     {text: sdk + "\"time\"\n\nvar start = time.Now()" + handler},
		"crypto/rand":     {text: sdk + "\"crypto/rand\"\n\nvar key = rand.Text()" + handler},
		"time of day, renewed": {reset: true, text: sdk + "\"time\"\n\nvar start = time.Now()\n\n" +
			"func init() { shoal.OnRestore(func() { start = time.Now() }) }" + handler},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := goModule(t, c.text)
			i := newImage(t, m)
			for range 2 {
				f := newFaaslet(t, m, Setup{Image: i})
				if o := runWith(t.Context(), f, ""); o.Err != nil {
					t.Fatal(o.Err)
				}
				if reset := f.Reset(); reset != c.reset || i.Taken() != c.reset {
					t.Errorf("reset: %t, image taken: %t, want %t", reset, i.Taken(), c.reset)
				}
			}
		})
	}
}

// With a Go whose runtime keeps its generator elsewhere the SDK does not pretend: here it looks in a part that has it not.
func TestGoGuestOfAnotherLayout(t *testing.T) {
	sdk := t.TempDir()
	if err := os.CopyFS(sdk, os.DirFS("../../sdk/go")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(sdk, "reseed_wasip1_wasm.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	short := strings.Replace(string(text), "searchM = 8192", "searchM = 16", 1)
	if short == string(text) {
		t.Fatal("the SDK does not say where it looks")
	}
	if err := os.WriteFile(file, []byte(short), 0o600); err != nil {
		t.Fatal(err)
	}
	m := goModuleWith(t, sdk, goRenewed)
	i := newImage(t, m)
	for range 2 {
		f := newFaaslet(t, m, Setup{Image: i})
		if got := answered(t, f, "draw"); !strings.Contains(got, `"restores":"1"`) || f.Reset() || i.Taken() {
			t.Errorf("%q, image taken: %t", got, i.Taken())
		}
	}
}

// goRenewed is a guest that tells what must differ between two calls, and works.
const goRenewed = `package main

import (
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand"
	randv2 "math/rand/v2"
	"runtime"
	"strings"
	"time"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

var (
	table    = map[int]string{}
	born     = time.Now()
	own      *randv2.Rand
	secret   string
	restores int
	beat     = make(chan int, 1)
)

func init() {
	for i := range 100 {
		table[i] = fmt.Sprint("word ", i)
	}
	go func() { // lives in the image
		for n := 0; ; n++ {
			beat <- n
			time.Sleep(time.Millisecond)
		}
	}()
	shoal.OnRestore(func() {
		restores++
		own = randv2.New(randv2.NewPCG(randv2.Uint64(), randv2.Uint64()))
	})
	clear(make([]byte, 8<<20)) // a heap that has room for a call: memory that grows can't be reset
	runtime.GC()
	shoal.Handle(handle)
}

func main() {}

func handle(in []byte) ([]byte, error) {
	switch what, arg, _ := strings.Cut(string(in), " "); what {
	case "draw":
		return draw()
	case "work":
		return work(arg)
	case "keep":
		was := secret
		secret = arg
		return []byte(was), nil
	case "time":
		began := time.Now()
		time.Sleep(3 * time.Millisecond)
		n := <-beat
		m := <-beat
		if slept := time.Since(began); slept < 3*time.Millisecond || m <= n {
			return nil, fmt.Errorf("slept %v, beat %d then %d", slept, n, m)
		}
		return []byte(began.Format(time.RFC3339Nano)), nil
	case "panic":
		panic("no more")
	}
	return nil, errors.New("what?")
}

func draw() ([]byte, error) {
	var first int
	for k := range table {
		first = k
		break
	}
	a, b := make(chan bool), make(chan bool)
	close(a)
	close(b)
	chosen := ""
	for range 32 {
		select {
		case <-a:
			chosen += "a"
		case <-b:
			chosen += "b"
		}
	}
	return json.Marshal(map[string]string{
		"math/rand":    fmt.Sprint(rand.Int63()),
		"math/rand/v2": fmt.Sprint(randv2.Uint64()),
		"maphash":      fmt.Sprint(maphash.String(maphash.MakeSeed(), "x")),
		"crypto/rand":  crand.Text(),
		"own":          fmt.Sprint(own.Uint64()),
		"map":          fmt.Sprint(first),
		"select":       chosen,
		"restores":     fmt.Sprint(restores),
	})
}

func work(arg string) ([]byte, error) {
	type item struct {
		Name string
		Tags map[string][]int
	}
	results := make(chan int)
	for g := range 4 {
		go func() {
			items := make([]item, 4)
			for i := range items {
				items[i] = item{fmt.Sprint(arg, g, i), map[string][]int{"t": {g, i}, arg: make([]int, 16)}}
			}
			b, err := json.Marshal(items)
			var back []item
			if err == nil {
				err = json.Unmarshal(b, &back)
			}
			if err != nil {
				panic(err)
			}
			sum := 0
			for i, it := range back {
				if it.Name == fmt.Sprint(arg, g, i) {
					sum += it.Tags["t"][0] + it.Tags["t"][1] + len(it.Tags[arg])
				}
			}
			results <- sum
		}()
	}
	runtime.GC()
	sum := 0
	for range 4 {
		sum += <-results
	}
	return []byte(fmt.Sprint(sum)), nil
}
`

// wantWork is what goRenewed's work answers.
const wantWork = 4*(0+1+2+3+4*16) + 4*(0+1+2+3)

func TestGoGuestRenewsItself(t *testing.T) {
	m := goModule(t, goRenewed)
	n := 1000
	if testing.Short() {
		n = 100
	}
	image := newImage(t, m)
	s := Setup{Image: image}
	t.Run("draws", func(t *testing.T) {
		seen := map[string]map[string]int{}
		f := newFaaslet(t, m, s)
		for i := range n {
			if i%2 == 1 { // half of them are restored, half reset
				f.Close()
				f = newFaaslet(t, m, s)
			} else if i > 0 && !f.Reset() {
				t.Fatalf("call %d: not reset", i)
			}
			var drawn map[string]string
			if err := json.Unmarshal([]byte(answered(t, f, "draw")), &drawn); err != nil {
				t.Fatal(err)
			}
			for k, v := range drawn {
				if seen[k] == nil {
					seen[k] = map[string]int{}
				}
				seen[k][v]++
			}
		}
		for _, k := range []string{"math/rand", "math/rand/v2", "maphash", "crypto/rand", "own"} {
			if len(seen[k]) != n {
				t.Errorf("%s: %d different first values in %d calls", k, len(seen[k]), n)
			}
		}
		if got := len(seen["map"]); got < 30 {
			t.Errorf("the walk of a map of 100 began at %d different keys in %d calls", got, n)
		}
		if got := len(seen["select"]); got < n*9/10 {
			t.Errorf("32 times select chose in %d different ways in %d calls", got, n)
		}
		if got := seen["restores"]; got["2"] != n { // once before the image was taken
			t.Errorf("functions ran after a restore that often: %v", got)
		}
	})
	t.Run("secret", func(t *testing.T) {
		f := newFaaslet(t, m, s)
		for i := range 50 {
			if got := answered(t, f, "keep secret"+strconv.Itoa(i)); got != "" {
				t.Fatalf("call %d sees %q", i, got)
			}
			if !f.Reset() {
				t.Fatal("not reset")
			}
			if strings.Contains(string(f.instance.Memory()), "secret"+strconv.Itoa(i)) {
				t.Fatalf("memory has the secret of call %d", i)
			}
		}
		wantCode(t, runWith(t.Context(), f, "panic"), faas.GuestTrapped)
		if !f.Reset() {
			t.Fatal("not reset after a panic")
		}
		if got := answered(t, f, "keep x"); got != "" {
			t.Errorf("after a panic a call sees %q", got)
		}
	})
	t.Run("time", func(t *testing.T) {
		f := newFaaslet(t, m, s)
		for range 20 {
			before := time.Now()
			got, err := time.Parse(time.RFC3339Nano, answered(t, f, "time"))
			if err != nil || got.Before(before.Truncate(0)) || got.After(time.Now()) {
				t.Fatalf("the guest's time is %v, %v, at %v", got, err, before)
			}
			if !f.Reset() {
				t.Fatal("not reset")
			}
		}
	})
	t.Run("work", func(t *testing.T) {
		calls := 10 * n
		f, replaced := newFaaslet(t, m, s), 0
		for i := range calls {
			if got := answered(t, f, "work w"+strconv.Itoa(i)); got != strconv.Itoa(wantWork) {
				t.Fatalf("call %d: %s, want %d", i, got, wantWork)
			}
			if !f.Reset() {
				f.Close()
				f, replaced = newFaaslet(t, m, s), replaced+1
			}
		}
		if t.Logf("%d calls, after %d of which the Faaslet was replaced", calls, replaced); replaced > calls/10 {
			t.Error("hardly any was reset")
		}
	})
	if !image.Taken() {
		t.Error("no image was taken")
	}
}

func answered(t *testing.T, f *Faaslet, input string) string {
	t.Helper()
	o := runWith(context.Background(), f, input)
	if o.Err != nil {
		t.Fatalf("%.20s: %v\n%s", input, o.Err, o.Stderr)
	}
	return string(o.Output)
}
