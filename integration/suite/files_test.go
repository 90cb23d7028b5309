package suite

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/services/standalone"
)

// file sends a request about a shared file.
func file(t testing.TB, s *framework.Standalone, method, path string, body []byte, header ...string) framework.Answer {
	t.Helper()
	r := framework.Request{Method: method, Path: "/v1/files/" + path, Body: body, Header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return s.Must(t, r)
}

func filesOf(t testing.TB, s *framework.Standalone, tenant string) (paths []string) {
	t.Helper()
	var doc struct{ Files []faas.File }
	if a := file(t, s, "GET", tenant, nil); json.Unmarshal(a.Body, &doc) != nil || a.Status != 200 {
		t.Fatalf("list: %d %s", a.Status, a.Body)
	}
	for _, f := range doc.Files {
		paths = append(paths, f.Path)
	}
	return paths
}

// Guarantee 7: a shared file whose PUT was answered is there, whole, for everybody of its tenant and for nobody else, also
// after a restart; until then the one before is.
func TestFiles(t *testing.T) {
	cfg := standalone.Config{Data: t.TempDir()}
	s := framework.Start(t, cfg)
	large := make([]byte, 20<<20)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(large))
	for _, c := range []struct {
		path   string
		body   []byte
		status int
	}{
		{"t/data/small", []byte("one"), 201},
		{"t/data/small", []byte("two"), 200},
		{"t/data/large", large, 201},
		{"t/copy", large, 201},
		{"t/empty", nil, 201},
		{"other/data/small", []byte("theirs"), 201},
	} {
		if a := file(t, s, "PUT", c.path, c.body); a.Status != c.status {
			t.Fatalf("PUT %s: %d %s", c.path, a.Status, a.Body)
		}
	}
	if a := s.Must(t, framework.Request{Method: "PUT", Path: "/v1/files/t/streamed", Stream: io.MultiReader(bytes.NewReader(large))}); a.Status != 201 || a.Header.Get("ETag") != tag {
		t.Errorf("streamed: %d %s", a.Status, a.Body)
	}
	check := func(s *framework.Standalone) {
		t.Helper()
		if got := strings.Join(filesOf(t, s, "t"), " "); got != "copy data/large data/small empty streamed" {
			t.Errorf("list: %s", got)
		}
		for path, want := range map[string][]byte{"t/data/small": []byte("two"), "t/data/large": large, "t/streamed": large, "t/empty": nil, "other/data/small": []byte("theirs")} {
			if a := file(t, s, "GET", path, nil); a.Status != 200 || !bytes.Equal(a.Body, want) {
				t.Errorf("GET %s: %d, %d bytes", path, a.Status, len(a.Body))
			}
		}
	}
	check(s)
	s.Stop(t)
	s = framework.Start(t, cfg)
	check(s)

	if a := file(t, s, "PUT", "t/data", nil); a.Status != 409 {
		t.Errorf("a file in the place of a directory: %d %s", a.Status, a.Body)
	}
	if a := file(t, s, "DELETE", "t/data/large", nil, "If-Match", `"x"`); a.Status != 412 {
		t.Errorf("a condition that does not hold: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"t/data/small", "t/data/large"} {
		if a := file(t, s, "DELETE", path, nil); a.Status != 204 {
			t.Errorf("DELETE %s: %d %s", path, a.Status, a.Body)
		}
		if a := file(t, s, "GET", path, nil); a.Status != 404 {
			t.Errorf("GET %s afterwards: %d", path, a.Status)
		}
	}
	if a := file(t, s, "GET", "t/copy", nil); a.Status != 200 || !bytes.Equal(a.Body, large) {
		t.Errorf("what has the same contents as a deleted file: %d, %d bytes", a.Status, len(a.Body))
	}
	if a := file(t, s, "PUT", "t/data", []byte("now a file")); a.Status != 201 {
		t.Errorf("a file where a directory was: %d %s", a.Status, a.Body)
	}
}

// Of several puts to one path at the same time one stays, and every reader gets a whole one.
func TestFilesAtOnce(t *testing.T) {
	s := framework.Start(t, standalone.Config{})
	body := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, 300_000) }
	file(t, s, "PUT", "t/f", body(0))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		writers.Go(func() {
			for range 10 {
				if a := file(t, s, "PUT", "t/f", body(n)); a.Status != 200 {
					t.Errorf("PUT: %d %s", a.Status, a.Body)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			a := file(t, s, "GET", "t/f", nil)
			if len(a.Body) == 0 || !bytes.Equal(a.Body, body(int(a.Body[0]-'a'))) || a.Header.Get("ETag") != fmt.Sprintf(`"%x"`, sha256.Sum256(a.Body)) {
				t.Errorf("GET: %d, %d bytes", a.Status, len(a.Body))
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
}
