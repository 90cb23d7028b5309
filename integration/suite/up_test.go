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

// runUp runs `shoal up` as a process: it says where it answers and how to call, an interrupt lets a running call end and
// ends it with 0, and a second one on the same data directory or address says what is wrong.
func runUp(t *testing.T) {
	modules, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for name, wat := range map[string]string{"echo": watEcho, "sleep": watSleep} {
		if err := os.WriteFile(filepath.Join(modules, name+".wasm"), wasm(t, wat), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*enough)
	defer cancel()
	cmd := exec.CommandContext(ctx, "shoal", "up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--data", data, "--deploy-dir", modules)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // it has ended, unless the test failed

	var said strings.Builder
	lines := bufio.NewScanner(stdout)
	hint := regexp.MustCompile(`curl -d 'hello' (http://127\.0\.0\.1:\d+)(/v1/call/demo/echo)`)
	for lines.Scan() && !hint.MatchString(said.String()) {
		said.WriteString(lines.Text() + "\n")
	}
	at := hint.FindStringSubmatch(said.String())
	if at == nil || !strings.Contains(said.String(), "deployed demo/sleep") {
		t.Fatalf("it says\n%s%s", &said, &stderr)
	}
	if out, err := post(ctx, at[1]+at[2], []byte("hello")); err != nil || out != "hello" {
		t.Fatalf("the call that it shows: %q, %v", out, err)
	}
	for _, c := range []struct{ flag, value, want string }{
		{"--data", data, "another process uses " + data},
		{"--http", strings.TrimPrefix(at[1], "http://"), "is taken (choose another with --http)"},
	} {
		args := []string{"up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "other"), c.flag, c.value}
		out, err := exec.CommandContext(ctx, "shoal", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s in use: %v\n%s", c.flag, err, out)
		}
	}

	function := at[1] + "/v1/functions/demo/sleep"
	awaitText(t, function, `"ready":1,"running":0}`)
	answer := make(chan error, 1)
	input := millis(700 * time.Millisecond)
	go func() {
		out, err := post(ctx, at[1]+"/v1/call/demo/sleep", input)
		if err == nil && out != string(input) {
			err = fmt.Errorf("it answers %q", out)
		}
		answer <- err
	}()
	awaitText(t, function, `"running":1}`)
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("the call that ran at the interrupt: %v", err)
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("it ends with %v and says\n%s", err, &stderr)
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
