package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/services/gateway"
)

// startFiles starts a gateway with shared files, and returns the bucket that it keeps them in.
func startFiles(t *testing.T, limits files.Limits) (*fixture, *files.Bucket) {
	t.Helper()
	var bucket *files.Bucket
	f := start(t, func(c *gateway.Config) {
		var err error
		if bucket, err = files.Open(t.Context(), c.JetStream, bus.FilesBucket); err != nil {
			t.Fatal(err)
		}
		view := files.NewView(files.ViewConfig{Bucket: bucket})
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- view.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		c.Files = files.New(bucket, view, limits)
	})
	return f, bucket
}

func digest(body string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(body))) }

func (f *fixture) want(t *testing.T, method, path, body string, status int, header ...string) (*http.Response, string) {
	t.Helper()
	resp, answer := f.do(t, method, path, body, header...)
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s %s, want %d", method, path, resp.Status, answer, status)
	}
	return resp, answer
}

func TestFiles(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	resp, body := f.want(t, "PUT", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "one", 201)
	var doc faas.File
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	tag := `"` + digest("one") + `"`
	if doc.Path != "data/a b/日.csv" || doc.Size != 3 || doc.Digest != digest("one") || time.Since(doc.Modified) > time.Minute || resp.Header.Get("ETag") != tag {
		t.Errorf("answer %+v, ETag %s", doc, resp.Header.Get("ETag"))
	}
	for _, method := range []string{"GET", "HEAD"} {
		resp, body = f.want(t, method, "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 200)
		h := resp.Header
		if h.Get("ETag") != tag || resp.ContentLength != 3 || h.Get("Content-Type") != "application/octet-stream" || h.Get("Last-Modified") == "" ||
			h.Get("Accept-Ranges") != "none" || body != map[string]string{"GET": "one"}[method] {
			t.Errorf("%s: %q, %v", method, body, h)
		}
		f.want(t, method, "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 304, "If-None-Match", `"x", W/`+tag)
		f.want(t, method, "/v1/files/demo/data/nothing", "", 404)
	}
	f.want(t, "PUT", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "two", 200)
	_, body = f.want(t, "GET", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 200)
	if body != "two" {
		t.Errorf("replaced: %q", body)
	}
	f.want(t, "PUT", "/v1/files/demo/empty", "", 201)
	if _, body = f.want(t, "GET", "/v1/files/demo/empty", "", 200); body != "" {
		t.Errorf("empty: %q", body)
	}
	f.want(t, "DELETE", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 204)
	f.want(t, "DELETE", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 404)
	f.want(t, "GET", "/v1/files/demo/data/a%20b/%E6%97%A5.csv", "", 404)
}

func TestFileConditions(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	const at = "/v1/files/demo/f"
	one, two := `"`+digest("one")+`"`, `"`+digest("two")+`"`
	f.want(t, "PUT", at, "one", 412, "If-Match", "*")
	f.want(t, "PUT", at, "one", 412, "If-Match", one)
	f.want(t, "PUT", at, "one", 201, "If-None-Match", "*")
	resp, body := f.want(t, "PUT", at, "two", 412, "If-None-Match", "*")
	if resp.Header.Get("Shoal-Code") != string(faas.Conflict) || !strings.Contains(body, `"status":412`) {
		t.Errorf("%v %s", resp.Header, body)
	}
	f.want(t, "PUT", at, "two", 412, "If-Match", two)
	f.want(t, "PUT", at, "two", 200, "If-Match", two+", "+one)
	f.want(t, "GET", at, "", 412, "If-Match", one)
	f.want(t, "DELETE", at, "", 412, "If-Match", one)
	f.want(t, "DELETE", at, "", 204, "If-Match", two)
	f.want(t, "PUT", at, "one", 201, "If-None-Match", "*")
}

func TestFileList(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	all := []string{"a/b", "a/c", "a-b", "b", "é"}
	for _, p := range all {
		f.want(t, "PUT", "/v1/files/demo/"+url.PathEscape(p), p, 201)
	}
	list := func(query string) (paths []string, next string) {
		t.Helper()
		_, body := f.want(t, "GET", "/v1/files/demo"+query, "", 200)
		var doc struct {
			Files []faas.File
			Next  string
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Files == nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, f := range doc.Files {
			if f.Digest != digest(f.Path) {
				t.Errorf("%+v", f)
			}
			paths = append(paths, f.Path)
		}
		return paths, doc.Next
	}
	for query, want := range map[string]string{
		"": strings.Join(all, " "), "?prefix=a": "a/b a/c a-b", "?prefix=a/": "a/b a/c", "?prefix=x": "", "?after=a/c": "a-b b é", "?prefix=a&after=a/b": "a/c a-b",
	} {
		if got, next := list(query); strings.Join(got, " ") != want || next != "" {
			t.Errorf("%s: %v, next %q, want %s", query, got, next, want)
		}
	}
	var got []string
	for query := "?limit=2"; ; {
		page, next := list(query)
		got = append(got, page...)
		if next == "" {
			break
		}
		query = "?limit=2&after=" + url.QueryEscape(next)
	}
	if strings.Join(got, " ") != strings.Join(all, " ") {
		t.Errorf("in pages: %v", got)
	}
	f.want(t, "GET", "/v1/files/demo?limit=0", "", 400)
	f.want(t, "GET", "/v1/files/demo?limit=10001", "", 400)
	f.want(t, "GET", "/v1/files/De", "", 400)
}

// TestFilePaths defends that no path, however it is written, reaches another tenant or another key of the index than that
// of its own bytes.
func TestFilePaths(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	f.want(t, "PUT", "/v1/files/victim/secret", "theirs", 201)
	http.DefaultClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { http.DefaultClient.CheckRedirect = nil }()
	raw := func(method, target string) (int, string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil", method, target)
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		var status int
		if _, err := fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status); err != nil {
			t.Fatalf("%s: %q", target, answer)
		}
		return status, string(answer)
	}
	for _, target := range []string{
		"/v1/files/me/../victim/secret", "/v1/files/me/%2e%2e/victim/secret", "/v1/files/me/..%2fvictim/secret", "/v1/files/me/%2E%2E%2Fvictim%2Fsecret",
		"/v1/files/me%2f..%2fvictim/secret", "/v1/files/..%2fvictim/secret", "/v1/files/%2e%2e/victim/secret", "/v1/files/me//secret",
		"/v1/files/me/a/./b", "/v1/files/me/a/%2e/b", "/v1/files/me/%2fsecret", "/v1/files/me/secret/", "/v1/files/me/", "/v1/files//victim/secret",
		"/v1/files/me/a%00b", "/v1/files/me/a%0ab", "/v1/files/me/%ff", "/v1/files/me/%c0%ae%c0%ae/victim/secret", "/v1/files/me/" + strings.Repeat("a", 256),
		"/v1/files/me/" + strings.Repeat("abc/", 128) + "d", "/v1/files/me%2evictim/secret", "/v1/files/me.victim/secret", "/v1/files/*/secret", "/v1/files/%3e/secret",
		"/v1/files/Me/secret", "/v1/files/me%00/secret", "/v1/files/%6de%0a/secret", "/v1/files/victim%20/secret",
	} {
		for _, method := range []string{"PUT", "GET", "DELETE", "HEAD"} {
			if status, answer := raw(method, target); status != 400 || method != "HEAD" && !strings.Contains(answer, "application/problem+json") {
				t.Errorf("%s %s: %.300q", method, target, answer)
			}
		}
	}
	// What looks like a trick and is a name: it is the tenant's own, at its own bytes.
	own := map[string]string{
		"%252e%252e/x": "%2e%2e/x", "%252e%252e%252fvictim": "%2e%2e%2fvictim", "...": "...", "%EF%BC%8E%EF%BC%8E/victim": "．．/victim", "victim.c2VjcmV0": "victim.c2VjcmV0",
		"*": "*", "%3E": ">", "$KV.shoal_files.victim.c2VjcmV0": "$KV.shoal_files.victim.c2VjcmV0", "a%5cb": `a\b`, "%E2%88%95": "∕",
	}
	for target := range own {
		f.want(t, "PUT", "/v1/files/me/"+target, "mine", 201)
	}
	_, body := f.want(t, "GET", "/v1/files/me", "", 200)
	var doc struct{ Files []faas.File }
	if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Files) != len(own) {
		t.Fatalf("%s: %v", body, err)
	}
	for _, file := range doc.Files {
		found := false
		for _, path := range own {
			found = found || path == file.Path
		}
		if !found {
			t.Errorf("an unexpected %q", file.Path)
		}
	}
	if _, body := f.want(t, "GET", "/v1/files/victim/secret", "", 200); body != "theirs" {
		t.Errorf("the victim's file is %q", body)
	}
	if _, body := f.want(t, "GET", "/v1/files/victim", "", 200); strings.Count(body, `"path"`) != 1 {
		t.Errorf("the victim has %s", body)
	}
	js, err := jetstream.New(f.nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.FilesBucket)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil || len(keys) != len(own)+1 {
		t.Errorf("keys %v, %v", keys, err)
	}
}

func TestFileLimits(t *testing.T) {
	f, _ := startFiles(t, files.Limits{File: 100, Files: 2, Bytes: 150})
	f.want(t, "PUT", "/v1/files/demo/a", strings.Repeat("x", 100), 201)
	for path, says := range map[string]string{"b": "max-file)", "c": "max-files-size"} {
		size := map[string]int{"b": 101, "c": 51}[path]
		if _, body := f.want(t, "PUT", "/v1/files/demo/"+path, strings.Repeat("x", size), 413); !strings.Contains(body, says) {
			t.Errorf("%s does not say %s", body, says)
		}
	}
	f.want(t, "PUT", "/v1/files/demo/d/e", "x", 201)
	if _, body := f.want(t, "PUT", "/v1/files/demo/f", "x", 413); !strings.Contains(body, "max-files)") {
		t.Error(body)
	}
	if _, body := f.want(t, "PUT", "/v1/files/demo/d", "x", 409); !strings.Contains(body, "d is a directory") {
		t.Error(body)
	}
	if _, body := f.want(t, "PUT", "/v1/files/demo/a/x", "x", 409); !strings.Contains(body, "a is a file") {
		t.Error(body)
	}
}

// Half an upload leaves nothing visible, and what was there stays.
func TestFileHalf(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	f.want(t, "PUT", "/v1/files/demo/a", "whole", 201)
	for _, path := range []string{"a", "b"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /v1/files/demo/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n%s", path, strings.Repeat("half", 100_000))
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) && len(answer) > 0 {
			t.Errorf("%.200q, %v", answer, err)
		}
	}
	if _, body := f.want(t, "GET", "/v1/files/demo/a", "", 200); body != "whole" {
		t.Errorf("a is %q", body)
	}
	f.want(t, "GET", "/v1/files/demo/b", "", 404)
}

// Contents that the store has damaged are not sent to their end.
func TestFileDamaged(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	f.want(t, "PUT", "/v1/files/demo/a", strings.Repeat("x", 300_000), 201)
	js, err := jetstream.New(f.nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "OBJ_"+bus.FilesBucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 2); err != nil { // the second chunk
		t.Fatal(err)
	}
	resp, err := http.Get(f.url + "/v1/files/demo/a")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes and no error", len(body))
	}
}

// Calls of a tenant say what this gateway has written of its files.
func TestCallsSayRevision(t *testing.T) {
	f, _ := startFiles(t, files.Limits{})
	got := make(chan uint64, 1)
	f.plan(t, func(c *faas.Call) *faas.Result {
		got <- c.Files
		return &faas.Result{Call: c.ID, Worker: faas.NewWorkerID("w", time.Now()), Start: faas.Warm}
	})
	revision := func() uint64 {
		f.want(t, "POST", "/v1/call/demo/echo", "", 200)
		return <-got
	}
	if n := revision(); n != 0 {
		t.Errorf("before any file: %d", n)
	}
	f.want(t, "PUT", "/v1/files/other/a", "x", 201)
	if n := revision(); n != 0 {
		t.Errorf("after a file of another tenant: %d", n)
	}
	f.want(t, "PUT", "/v1/files/demo/a", "x", 201)
	first := revision()
	f.want(t, "DELETE", "/v1/files/demo/a", "", 204)
	if second := revision(); first == 0 || second <= first {
		t.Errorf("after a put %d, after a deletion %d", first, second)
	}
}

// A client that stops sending is given up, and leaves nothing.
func TestFileClientStops(t *testing.T) {
	testenv.Long(t, "waits for as long as a client may be silent")
	f, _ := startFiles(t, files.Limits{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /v1/files/demo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n%s", strings.Repeat("x", 100_000))
	began := time.Now()
	answer, err := io.ReadAll(conn)
	if took := time.Since(began); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) || !bytes.Contains(answer, []byte("too slowly")) || took > 20*time.Second {
		t.Errorf("after %s: %.300q, %v", took, answer, err)
	}
	f.want(t, "GET", "/v1/files/demo/a", "", 404)
}
