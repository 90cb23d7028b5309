package uploadd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/process/processtest"
	"github.com/shoal-run/shoal/services/upload/uploadd"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestProcess starts an upload service before its server, twice in the same directory: the second life has the same key,
// whose public half is beside it.
func TestProcess(t *testing.T) {
	nats := processtest.NewServer(t)
	data := filepath.Join(t.TempDir(), "data")
	var prints []any
	for life := range 2 {
		i := processtest.Start(t, uploadd.New(), "-nats-url", nats.URL, "-health", "127.0.0.1:0", "-data", data)
		if life == 0 {
			processtest.AwaitStatus(t, i.Health(t)+"/readyz", 503, "waiting for the NATS server")
			nats.Start(t)
		}
		processtest.AwaitStatus(t, i.Health(t)+"/readyz", 200, `"upload":"ok"`)
		says := "signing key loaded"
		if life == 0 {
			says = "new signing key made"
		}
		prints = append(prints, i.Await(t, says)["fingerprint"])
		if code := i.Stop(t); code != process.ExitOK {
			t.Errorf("exit code %d", code)
		}
	}
	pub, err := artefact.LoadPublicKey(filepath.Join(data, "signing.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if want := artefact.Fingerprint(pub); prints[0] != want || prints[1] != want {
		t.Errorf("signed with %v, the public key is %s", prints, want)
	}
}

// TestOpenKey refuses a key that others can read.
func TestOpenKey(t *testing.T) {
	key := filepath.Join(t.TempDir(), "k.key")
	if err := os.WriteFile(key, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := processtest.Start(t, uploadd.New(), "-health", "off", "-signing-key", key)
	if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), "signing-key") || !strings.Contains(i.Log(), "chmod 600") {
		t.Errorf("exit code %d", code)
	}
}

// TestMissingKey names a key that is not there: it is not made, at the start or by a check.
func TestMissingKey(t *testing.T) {
	dir := t.TempDir()
	for _, check := range []string{"-check-config=false", "-check-config"} {
		i := processtest.Start(t, uploadd.New(), "-health", "off", "-signing-key", filepath.Join(dir, "k.key"), check)
		if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), "openssl genpkey -algorithm ed25519") {
			t.Errorf("%s: exit code %d, %s", check, code, i.Log())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is there: %v", left, err)
	}
}

func TestCheckConfig(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"-check-config -data /var/lib/u", process.ExitOK, "signing-key: /var/lib/u/signing.key"},
		{"-check-config", process.ExitOK, "deploy-timeout: 9m"},
		{"-check-config -compile-wall 10m", process.ExitOK, "deploy-timeout: 25m"},
		{"-check-config -compile-wall 10m -deploy-timeout 12m", process.ExitOK, "deploy-timeout: 12m"},
		{"-check-config -compile-wall 10m -deploy-timeout 9m", process.ExitConfig, "want at least compile-wall, which is 10m"},
		{"-check-config -compile-wall 10m -grace 20m", process.ExitConfig, "want at least deploy-timeout, which is 25m"},
		{"-check-config -compile-wall 1h", process.ExitConfig, "want at least deploy-timeout, which is 2h5m"},
		{"-check-config -compile-wall 1h -grace 2h5m", process.ExitOK, "grace: 2h5m"},
		{"-check-config -grace 1m", process.ExitConfig, "want a time from 15m to"},
		{"-check-config -compiles 0", process.ExitConfig, "want a number from 1 to 256"},
	} {
		i := processtest.Start(t, uploadd.New(), strings.Fields(c.args)...)
		if code := i.Wait(t); code != c.code || !strings.Contains(strings.Join(strings.Fields(i.Stdout()+i.Log()), " "), c.want) {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, i.Stdout(), i.Log())
		}
	}
}
