package archtest

import (
	"fmt"
	"strings"
)

// home says which packages may import a dependency. Others use what those packages offer.
type home struct {
	dep   string   // pattern of import paths
	in    []string // patterns of our packages
	tests []string // patterns of our packages whose tests may import it too
	why   string
}

var everywhere = []string{"..."}

// homes has a row for each third-party dependency; one without a row fails, so that a new dependency meets a reader.
var homes = []home{
	{
		dep: "github.com/bytecodealliance/wasmtime-go/...", in: []string{"libs/faaslet/..."}, tests: []string{"libs/...", "integration/..."},
		why: "one engine, one importer: the rest speaks of Faaslets. Tests may assemble .wat",
	},
	{
		dep: "github.com/nats-io/nats-server/...", in: []string{"libs/natsd/..."}, tests: everywhere,
		why: "whoever imports a client must not link a server",
	},
	{
		dep:   "github.com/nats-io/nats.go/...",
		in:    []string{"bus/...", "libs/natsd/...", "libs/natserr/...", "libs/files/...", "libs/objectstore/...", "libs/registry/...", "libs/service/...", "services/...", "cmd/...", "integration/..."},
		tests: everywhere,
		why:   "the wire has few doors; engine and host interface are not among them",
	},
	{
		dep: "github.com/nats-io/nuid", in: []string{"bus/...", "libs/objectstore/...", "services/...", "integration/..."},
		why: "comes with nats.go",
	},
	{
		dep: "github.com/redis/go-redis/...", in: []string{"libs/state/redis/..."}, tests: []string{"libs/state/...", "integration/..."},
		why: "the global tier is an interface; Redis is one side of it",
	},
	{
		dep: "github.com/alicebob/miniredis/...", in: []string{"services/standalone/..."}, tests: everywhere,
		why: "the embedded global tier belongs to `shoal up`",
	},
	{
		dep: "github.com/vishvananda/...", in: []string{"libs/isolation/..."},
		why: "isolation is a list of hooks; what it is made of stays inside",
	},
	{
		dep: "github.com/containerd/cgroups/...", in: []string{"libs/isolation/..."},
		why: "isolation is a list of hooks; what it is made of stays inside",
	},
	{
		dep: "github.com/google/nftables/...", in: []string{"libs/isolation/..."},
		why: "isolation is a list of hooks; what it is made of stays inside",
	},
	{
		dep: "github.com/spf13/...", in: []string{"cmd/..."},
		why: "flags are the command line's business; services take a Config",
	},
	{
		dep: "gopkg.in/yaml.v3", in: []string{"libs/config", "libs/scaffold/..."},
		why: "configuration is read at the edge",
	},
	{
		dep: "github.com/klauspost/compress/...", in: []string{"libs/artefact/...", "libs/snapshot/...", "libs/objectstore/...", "services/upload/..."},
		why: "only what is stored is compressed",
	},
	{
		dep: "github.com/HdrHistogram/hdrhistogram-go", in: []string{"integration/...", "cmd/..."},
		why: "for benchmarks",
	},
	{
		dep: "github.com/rogpeppe/go-internal/...", tests: everywhere,
		why: "testscript is for tests",
	},
	{
		dep: "go.uber.org/goleak", in: []string{"internal/leakcheck"},
		why: "tests call internal/leakcheck, which also sees descriptors, children and files",
	},
	{
		dep: "go.opentelemetry.io/...", in: []string{"libs/telemetry/...", "services/...", "bus/..."},
		why: "spans and metrics are named in one file per service",
	},
	{
		dep: "github.com/prometheus/...", in: []string{"libs/telemetry/metrics"},
		why: "how metrics are exposed is one package's business; services name them",
	},
	{
		dep: "golang.org/x/sys/...", in: []string{"libs/...", "services/...", "cmd/...", "internal/...", "integration/..."}, tests: everywhere,
		why: "system calls that package syscall lacks",
	},
	{
		dep: "golang.org/x/sync/...", in: []string{"libs/...", "services/...", "cmd/...", "internal/...", "integration/..."}, tests: everywhere,
		why: "errgroup, singleflight and semaphores",
	},
	{
		dep: "golang.org/x/time/...", in: []string{"services/...", "libs/isolation/...", "integration/..."},
		why: "rate limits",
	},
	{
		dep: "C", in: []string{"libs/faaslet/..."},
		why: "cgo only beside the engine",
	},
}

func homeOf(dep string) (home, bool) {
	for _, h := range homes {
		if match(h.dep, dep) {
			return h, true
		}
	}
	return home{}, false
}

// checkHomes holds every third-party import against the table.
func checkHomes(pkgs []pkg) []finding {
	var out []finding
	check := func(p pkg, imp string, test bool) {
		if _, is := ours(imp); is || (standard(imp) && imp != "C") {
			return
		}
		h, ok := homeOf(imp)
		if !ok {
			out = append(out, finding{
				p.path, fmt.Sprintf("imports %s, which has no home", imp),
				"a new dependency needs a row in homes (internal/archtest/homes.go) and a line in docs/adr/0001-dependencies.md",
			})
			return
		}
		in := h.in
		if test {
			in = append(in[:len(in):len(in)], h.tests...)
		}
		if matchAny(in, p.path) {
			return
		}
		what := "imports "
		if test {
			what = "imports in a test "
		}
		out = append(out, finding{p.path, what + imp + ", whose home is " + strings.Join(h.in, ", "), h.why})
	}
	for _, p := range pkgs {
		for _, imp := range p.imports {
			check(p, imp, suite(p.path))
		}
		for _, imp := range p.testImports {
			check(p, imp, true)
		}
		if p.cgo {
			check(p, "C", false)
		}
	}
	return out
}
