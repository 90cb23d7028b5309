// Package uploadd is the upload service as a process: its settings and its wiring.
package uploadd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/upload"
)

// settings are the upload service's own.
type settings struct {
	data, key       string
	makeKey         bool // key was not set: it is in data, and made when it is missing
	maxModule       faas.Size
	compiles, queue int
	tenantQueue     int
	deployTimeout   faas.Duration
	grace           faas.Duration
	sweepEvery      faas.Duration
	compileMemory   faas.Size
	compileCPU      faas.Duration
	compileWall     faas.Duration
}

// New returns the upload service's program. Its main calls compile.MaybeChild first.
func New() *process.Program {
	c := &settings{
		data: "data", maxModule: faas.DefaultModule, compiles: 2, queue: upload.DefaultQueue,
		tenantQueue: upload.DefaultTenantQueue, grace: faas.Duration(time.Hour), sweepEvery: faas.Duration(10 * time.Minute),
		compileMemory: compile.DefaultMemory, compileCPU: faas.Duration(compile.DefaultCPU), compileWall: faas.Duration(upload.DefaultCompileWall),
	}
	return &process.Program{
		Name:   "upload",
		About:  "The upload service judges, compiles, signs and stores modules.",
		Health: "127.0.0.1:8092",
		Keys: []config.Key{
			{Name: "data", Value: config.Text(&c.data, "a directory"), Example: "/var/lib/shoal/upload", What: "where the signing key is kept, unless `signing-key` names it"},
			{
				Name: "signing-key", Value: config.Text(&c.key, "a file"), Default: "`signing.key` in `data`",
				Example: "/etc/shoal/signing.key", What: "Ed25519 key in PEM, mode 0600, that signs compiled modules. It must be there; only the default is made when it is missing. Its public half is written beside it as `.pub`: give that to the workers",
			},
			{Name: "max-module", Value: config.Size(&c.maxModule, 1, faas.MaxModule, ""), What: "largest module"},
			{Name: "compiles", Value: config.Int(&c.compiles, 1, 256, ""), What: "deploys at once, each with a compiler in a child process; tenants take turns, and one has a second only while no other waits"},
			{Name: "queue", Value: config.Int(&c.queue, 1, 10_000, ""), What: "deploys that wait; one more is refused with `no_capacity`"},
			{Name: "tenant-queue", Value: config.Int(&c.tenantQueue, 1, 10_000, ""), What: "deploys of one tenant that wait; one more is refused with `rate_limited`"},
			{
				Name: "deploy-timeout", Value: config.Duration(&c.deployTimeout, time.Second, 3*time.Hour), Default: "2 × `compile-wall` + 5m",
				Example: "9m", What: "how long a deploy may take, waiting included; no less than `compile-wall`",
			},
			{
				Name: "grace", Value: config.Duration(&c.grace, faas.MaxTimeout, 365*24*time.Hour),
				What: "how long modules and Proto-Faaslets that no function uses, and contents of shared files that were deleted or replaced, are kept; no less than `deploy-timeout`, since a deploy stores its module before it names it",
			},
			{Name: "sweep-every", Value: config.Duration(&c.sweepEvery, time.Second, 24*time.Hour), What: "how often what is not used any more is looked for"},
			{Name: "compile-memory", Value: config.Size(&c.compileMemory, 256*faas.MiB, 0, ""), What: "memory of a compiler's process; a module that needs more is refused with `invalid_module`"},
			{Name: "compile-cpu", Value: config.Duration(&c.compileCPU, time.Second, time.Hour), What: "processor time of a compiler's process, likewise"},
			{Name: "compile-wall", Value: config.Duration(&c.compileWall, time.Second, time.Hour), What: "how long a compiler may take, likewise"},
		},
		Check: c.check,
		Files: c.checkKey,
		Wire:  c.wire,
	}
}

// check gives settings that follow from others their values, and reports those that contradict one another.
func (c *settings) check(set *config.Set) error {
	if c.key == "" {
		c.key, c.makeKey = filepath.Join(c.data, "signing.key"), true
	}
	if c.deployTimeout == 0 {
		c.deployTimeout = faas.Duration(upload.DeployTimeout(time.Duration(c.compileWall)))
	}
	if c.deployTimeout < c.compileWall {
		return set.Errorf("deploy-timeout", "want at least compile-wall, which is %s", c.compileWall)
	}
	if c.grace < c.deployTimeout {
		return set.Errorf("grace", "want at least deploy-timeout, which is %s: a module must outlive the deploy that stored it", c.deployTimeout)
	}
	return nil
}

// wire makes the upload service.
func (c *settings) wire(ctx context.Context, p *process.Process) (*service.Sequence, error) {
	key, err := c.signingKey(p)
	if err != nil {
		return nil, err
	}
	control, err := p.Connect(ctx, "control")
	if err != nil {
		return nil, err
	}
	stores, err := p.OpenStores(ctx, control)
	if err != nil {
		return nil, err
	}
	table := hostapi.New()
	compiler := compile.Compiler{Memory: c.compileMemory, CPU: time.Duration(c.compileCPU), Wall: time.Duration(c.compileWall)}
	up, err := upload.New(upload.Config{
		NC: control, Registry: stores.Registry, Store: stores.Modules, Protos: stores.Protos, Files: stores.Files, Compiler: compiler, Capturer: compiler,
		Key: key, EngineVersion: faaslet.Version(), CPU: artefact.CPUFeatures(), Host: wasmbin.Host{Types: table.Types, Why: table.Why},
		MaxModule: c.maxModule, Compiles: c.compiles, Queue: c.queue, TenantQueue: c.tenantQueue,
		CompileWall: time.Duration(c.compileWall), DeployTimeout: time.Duration(c.deployTimeout),
		Grace: time.Duration(c.grace), SweepEvery: time.Duration(c.sweepEvery), Metrics: p.Metrics, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	p.Health.Check("upload", process.Ready(up.Ready()))
	var seq service.Sequence
	seq.Add("upload", up.Run, up.Ready())
	return &seq, nil
}

// checkKey reports a signing key that can't be used. One that was named and is not there is not made: a wrong path or a
// volume that is not mounted must not end in another key, which no worker knows.
func (c *settings) checkKey(set *config.Set) error {
	_, err := artefact.LoadKey(c.key)
	switch {
	case err == nil, c.makeKey && errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return set.Errorf("signing-key", "there is no such file; is its volume mounted? (to make a key: openssl genpkey -algorithm ed25519 -out %[1]s && chmod 600 %[1]s)", c.key)
	}
	return set.Errorf("signing-key", "%s", err)
}

// signingKey loads the signing key, or makes it where it may, and puts its public half beside it.
func (c *settings) signingKey(p *process.Process) (key ed25519.PrivateKey, err error) {
	made := false
	if c.makeKey {
		if err := os.MkdirAll(c.data, 0o755); err != nil {
			return nil, p.Errorf("data", "%s", err)
		}
		key, made, err = artefact.LoadOrCreateKey(c.key)
	} else {
		key, err = artefact.LoadKey(c.key)
	}
	if err != nil {
		return nil, p.Errorf("signing-key", "%s", err)
	}
	pub := key.Public().(ed25519.PublicKey)
	path := strings.TrimSuffix(c.key, ".key") + ".pub"
	if have, err := artefact.LoadPublicKey(path); err != nil || !have.Equal(pub) {
		if err := artefact.StorePublicKey(path, pub); err != nil { // a key that is mounted read-only, perhaps
			p.Log.Warn("public key not written: workers need it from elsewhere", telemetry.KeyErr, err)
		}
	}
	attrs := []any{"file", c.key, "public", path, "fingerprint", artefact.Fingerprint(pub)}
	if made { // right at the first start, and a lost key at any other
		p.Log.Warn("new signing key made: workers need its public half", attrs...)
	} else {
		p.Log.Info("signing key loaded", attrs...)
	}
	return key, nil
}
