package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// layer says what the packages of a part of the tree may import of ours. The first layer that matches a package counts.
type layer struct {
	of    string   // pattern of package paths
	may   []string // patterns of our packages; its own subtree is always allowed, see self
	self  bool     // may import packages below of
	third []string // patterns of third-party import paths; nil: any
	why   string
}

// none forbids third-party imports.
var none = []string{}

// layers go one way: every part imports only what stands for a lower one. DESIGN: "the engine never sees the wire; the
// wire never sees the engine".
var layers = []layer{
	{
		of: "bus/faas", third: none,
		why: "the nouns are everybody's: they import the standard library only",
	},
	{
		of: "bus/...", may: []string{"bus/faas"}, self: true, third: []string{"github.com/nats-io/nats.go/..."},
		why: "third parties import the contract: it brings nats.go and nothing else",
	},
	{
		of: "libs/guest/...", may: []string{"bus/faas"}, self: true, third: none,
		why: "guest memory is an interface: no engine behind it",
	},
	{
		of: "libs/vfs/...", may: []string{"bus/faas"}, self: true, third: none,
		why: "a call's file system is a tree in memory: it knows neither guests nor where shared files come from",
	},
	{
		of: "libs/wasi/...", may: []string{"bus/faas", "libs/guest/...", "libs/vfs/..."}, self: true, third: []string{"golang.org/x/sys/..."},
		why: "host functions are tested in microseconds: they know memory, not the engine",
	},
	{
		of: "libs/hostapi/...", may: []string{"bus/faas", "libs/guest/...", "libs/vfs/...", "libs/wasi/...", "libs/state/...", "libs/telemetry/..."}, self: true,
		third: []string{"golang.org/x/sys/..."},
		why:   "the host interface is engine-agnostic: it knows memory and calls, not the engine",
	},
	{
		of: "libs/wasmbin/...", may: []string{"bus/faas"}, self: true, third: none,
		why: "the parser reads tenants' bytes: pure Go, nothing else in reach",
	},
	{
		of: "libs/artefact", may: []string{"bus/faas"}, third: []string{"golang.org/x/sys/..."},
		why: "who verifies a signature needs neither engine nor bus",
	},
	{
		of: "libs/snapshot/...", may: []string{"bus/faas"}, self: true, third: []string{"github.com/klauspost/compress/..."},
		why: "an image is bytes: who stores or fetches one needs neither engine nor bus",
	},
	{
		of: "libs/scaffold/...", may: []string{"bus/faas", "sdk", "libs/wasmbin/..."}, self: true,
		third: []string{"gopkg.in/yaml.v3"},
		why:   "new and build work everywhere, without cgo and without a network",
	},
	{
		of: "libs/...", may: []string{"bus/faas", "libs/..."},
		why: "the engine never sees the wire: libraries speak the nouns of bus/faas, not messages",
	},
	{
		of: "services/standalone/...", may: []string{"bus/...", "libs/...", "services/..."},
		why: "standalone is the wiring diagram: the one service that knows the others",
	},
	{
		of: "services/process/...", may: []string{"bus/...", "libs/..."}, self: true,
		why: "what every service needs to be a process knows no service",
	},
	// Services: their own subtree is added by layerOf.
	{
		of: "services/...", may: []string{"bus/...", "libs/...", "services/process/..."},
		why: "services meet on the bus, never in each other's code",
	},
	{
		of: "cmd/...", may: []string{"bus/...", "libs/...", "services/standalone/...", "sdk"}, self: true,
		why: "the command line is a client of the bus and the gateway; only `up` starts services, through standalone",
	},
	{
		of: "sdk/go/...", self: true, third: none,
		why: "guests compile the SDK: standard library only",
	},
	{
		of: "sdk/...", third: none,
		why: "package sdk embeds files",
	},
	{
		of: "examples/...", may: []string{"sdk/go/..."}, self: true,
		why: "an example shows what a user can write: the SDK and nothing else of ours",
	},
	{
		of: "internal/archtest/...", self: true, third: none,
		why: "the judge stands outside",
	},
	{
		of: "internal/testenv/...", self: true, third: []string{"golang.org/x/sys/..."},
		why: "every test imports it",
	},
	{
		of: "internal/leakcheck/...", self: true, third: []string{"go.uber.org/goleak"},
		why: "every TestMain imports it",
	},
	{
		of: "internal/gen/...", may: []string{"bus/...", "libs/...", "services/...", "internal/gen/..."},
		why: "generators read tables and write documents",
	},
	{
		of: "internal/examples/...", may: []string{"bus/faas", "libs/scaffold/...", "libs/wasmbin/...", "sdk", "internal/examples/..."},
		why: "building the examples takes what `shoal build` takes",
	},
	{
		of: "integration/...", may: []string{"..."},
		why: "integration sees everything",
	},
}

// forTests may be imported by tests everywhere (besides what their package may).
var forTests = []string{"internal/testenv", "internal/leakcheck", "libs/natsd/..."}

// suite tells packages that are for tests, so they may import what tests may: conformance suites (statetest) and harnesses.
func suite(path string) bool {
	last := path[strings.LastIndex(path, "/")+1:]
	return strings.HasSuffix(last, "test")
}

// layerOf finds the layer that binds a package, or false for a package in no part of the tree that we know.
func layerOf(path string) (layer, bool) {
	for _, l := range layers {
		if !match(l.of, path) {
			continue
		}
		l.may = slices.Clone(l.may)
		if l.self {
			l.may = append(l.may, strings.TrimSuffix(l.of, "/...")+"/...")
		}
		if parts := strings.Split(path, "/"); l.of == "services/..." && len(parts) > 1 {
			l.may = append(l.may, "services/"+parts[1]+"/...")
		}
		return l, true
	}
	return layer{}, false
}

// checkLayers holds every package's imports against its layer.
func checkLayers(pkgs []pkg) []finding {
	var out []finding
	for _, p := range pkgs {
		l, ok := layerOf(p.path)
		if !ok {
			out = append(out, finding{
				p.path, "lies in no layer",
				"every part of the tree has a row in layers (internal/archtest/layers.go)",
			})
			continue
		}
		for _, imp := range p.imports {
			if !l.allows(imp, suite(p.path)) {
				out = append(out, finding{p.path, "imports " + strings.TrimPrefix(imp, "./"), l.why})
			}
		}
		for _, imp := range p.testImports {
			if _, is := ours(imp); is && !l.allows(imp, true) {
				out = append(out, finding{p.path, "imports in a test " + strings.TrimPrefix(imp, "./"), l.why})
			}
		}
	}
	return out
}

func (l layer) allows(imp string, test bool) bool {
	if path, is := ours(imp); is {
		if test && matchAny(forTests, path) {
			return true
		}
		return matchAny(l.may, path)
	}
	return standard(imp) || l.third == nil || matchAny(l.third, imp)
}

// checkNoCgo wants the packages listed (with CGO_ENABLED=0) to link without cgo and without the engine and the servers
// that only `up` has.
func checkNoCgo(pkgs []pkg) []finding {
	const why = "gateway, planner and client run anywhere: no cgo, no engine, no embedded server"
	heavy := []string{
		"runtime/cgo",
		"./libs/faaslet/...", "./libs/natsd/...", "./services/worker/...", "./services/upload/...", "./services/standalone/...",
		"github.com/bytecodealliance/wasmtime-go/...", "github.com/nats-io/nats-server/...",
	}
	// What only services have: a client records no metrics.
	services := []string{"./libs/telemetry/metrics/...", "go.opentelemetry.io/...", "github.com/prometheus/..."}
	var out []finding
	for _, p := range pkgs {
		if suite(p.path) {
			continue
		}
		heavy := heavy
		if !match("services/...", p.path) {
			heavy = append(heavy[:len(heavy):len(heavy)], services...)
		}
		for _, h := range heavy {
			if i := slices.IndexFunc(p.deps, func(d string) bool { return match(h, d) }); i >= 0 {
				what := fmt.Sprintf("links %s with CGO_ENABLED=0", strings.TrimPrefix(p.deps[i], "./"))
				out = append(out, finding{p.path, what, why})
			}
		}
	}
	return out
}
