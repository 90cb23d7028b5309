package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
)

// TestFilesGatewayKilled defends promise 7 for a gateway that dies: what it has answered is there for the others, within a
// second in their lists too, and what it had half of is seen by nobody.
func TestFilesGatewayKilled(t *testing.T) {
	c, _ := start(t, framework.ClusterConfig{})
	victim, other := c.Gateways[0], c.Gateways[1]
	must := func(g *framework.Gateway, method, path, body string) string {
		t.Helper()
		out, err := g.File(t.Context(), method, path, strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return string(out)
	}
	must(other, "GET", "t", "") // it follows the tenant from now on
	for i := range 20 {
		path := fmt.Sprintf("t/dir/f%d", i)
		must(victim, "PUT", path, path)
		if got := must(other, "GET", path, ""); got != path {
			t.Fatalf("through the other gateway %s is %q", path, got)
		}
		testenv.Eventually(t, time.Second, func() bool { return strings.Contains(must(other, "GET", "t", ""), path[2:]+`"`) }, "%s is not in the other's list", path)
	}
	must(other, "PUT", "t/dir/f0", "newer")
	if got := must(victim, "GET", "t/dir/f0", ""); got != "newer" {
		t.Errorf("through the first gateway it is %q", got)
	}

	body, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := victim.File(t.Context(), "PUT", "t/dir/f1", body)
		ended <- err
	}()
	for range 40 {
		if _, err := write.Write(bytes.Repeat([]byte("half"), 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	victim.Kill(t)
	write.Close()
	if err := <-ended; !errors.Is(err, framework.ErrBroken) {
		t.Errorf("the upload ended with %v", err)
	}
	if got := must(other, "GET", "t/dir/f1", ""); got != "t/dir/f1" {
		t.Errorf("half an upload shows: %d bytes", len(got))
	}
	if _, err := other.File(t.Context(), "DELETE", "t/dir/f1", nil); err != nil {
		t.Error(err)
	}
	victim.Restart(t)
	if _, err := victim.File(t.Context(), "GET", "t/dir/f1", nil); faas.CodeOf(err) != faas.NotFound {
		t.Errorf("a deleted file through the gateway that is back: %v", err)
	}
	if got := must(victim, "GET", "t/dir/f2", ""); got != "t/dir/f2" {
		t.Errorf("what was put before is %q", got)
	}
}
