package suite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/internal/testenv"
)

// process is a running `shoal up`.
type process struct {
	*exec.Cmd
	said   string // until it had said how to call
	url    string // of the gateway
	stdout io.Reader
	stderr bytes.Buffer
}

var hint = regexp.MustCompile(`curl -d 'hello' (http://127\.0\.0\.1:\d+)/v1/call/`)

// up starts `shoal up` with arguments, on free ports, and returns when it has said how to call.
func up(t *testing.T, ctx context.Context, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(ctx, "shoal", append([]string{"up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0"}, args...)...)}
	p.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended, unless the test failed
	p.stdout = stdout
	for lines := bufio.NewScanner(stdout); lines.Scan() && p.url == ""; {
		p.said += lines.Text() + "\n"
		if at := hint.FindStringSubmatch(p.said); at != nil {
			p.url = at[1]
		}
	}
	if p.url == "" {
		t.Fatalf("it says\n%s%s", p.said, &p.stderr)
	}
	return p
}

// end waits for the process's end.
func (p *process) end() error {
	_, _ = io.Copy(io.Discard, p.stdout) // Wait closes it
	return p.Wait()
}

// runUp runs `shoal up` as a process: it says where it answers and how to call; a second one on the same data directory or
// address says what is wrong; an interrupt lets a running call end and ends it with 0; what was deployed outlives a kill.
func runUp(t *testing.T) {
	modules, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for name, wat := range map[string]string{"echo": watEcho, "sleep": watSleep} {
		if err := os.WriteFile(filepath.Join(modules, name+".wasm"), wasm(t, wat), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*enough)
	defer cancel()
	p := up(t, ctx, "--data", data, "--deploy-dir", modules)
	if !strings.Contains(p.said, "deployed demo/sleep") || !strings.Contains(p.said, p.url+"/v1/call/demo/echo\n") {
		t.Errorf("it says\n%s", p.said)
	}
	if out, err := post(ctx, p.url+"/v1/call/demo/echo", []byte("hello")); err != nil || out != "hello" {
		t.Fatalf("the call that it shows: %q, %v", out, err)
	}
	for _, c := range []struct{ flag, value, want string }{
		{"--data", data, "another process uses " + data},
		{"--http", strings.TrimPrefix(p.url, "http://"), "is taken (choose another with --http)"},
	} {
		args := []string{"up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "other"), c.flag, c.value}
		out, err := exec.CommandContext(ctx, "shoal", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s in use: %v\n%s", c.flag, err, out)
		}
	}

	function := p.url + "/v1/functions/demo/sleep"
	awaitText(t, function, `"ready":1,"running":0`)
	answer := make(chan error, 1)
	input := millis(700 * time.Millisecond)
	go func() {
		out, err := post(ctx, p.url+"/v1/call/demo/sleep", input)
		if err == nil && out != string(input) {
			err = fmt.Errorf("it answers %q", out)
		}
		answer <- err
	}()
	awaitText(t, function, `"running":1`)
	if err := p.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("the call that ran at the interrupt: %v", err)
	}
	if err := p.end(); err != nil || p.stderr.Len() > 0 {
		t.Errorf("it ends with %v and says\n%s", err, &p.stderr)
	}

	for range 2 { // after an orderly end, and after a kill
		p = up(t, ctx, "--data", data)
		if out, err := post(ctx, p.url+"/v1/call/demo/echo", []byte("again")); err != nil || out != "again" {
			t.Errorf("after a restart: %q, %v", out, err)
		}
		if err := p.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = p.end() // killed
	}
}

// awaitText waits until the document at url has text.
func awaitText(t *testing.T, url, text string) {
	t.Helper()
	testenv.Eventually(t, enough, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && bytes.Contains(body, []byte(text))
	}, "%s does not say %s", url, text)
}

func post(ctx context.Context, url string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", resp.StatusCode, out)
	}
	return string(out), err
}
