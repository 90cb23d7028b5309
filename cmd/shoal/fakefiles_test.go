package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// The fake gateway's shared files, by tenant/path.

type fakeFile struct {
	faas.File
	body []byte
}

func (g *fakeGateway) fileRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/files/{tenant}":              g.listFiles,
		"PUT /v1/files/{tenant}/{path...}":    g.putFile,
		"GET /v1/files/{tenant}/{path...}":    g.getFile,
		"DELETE /v1/files/{tenant}/{path...}": g.removeFile,
	}
}

func fileOf(r *http.Request) string { return r.PathValue("tenant") + "/" + r.PathValue("path") }

func (g *fakeGateway) putFile(w http.ResponseWriter, r *http.Request) error {
	if err := faas.CheckFilePath(r.PathValue("path")); err != nil {
		return err
	}
	for name := range g.files {
		if strings.HasPrefix(name, fileOf(r)+"/") {
			return faas.Errorf(faas.Conflict, "%s is a directory", r.PathValue("path"))
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if _, there := g.files[fileOf(r)]; there {
		status = http.StatusOK
	}
	f := faas.File{Path: r.PathValue("path"), Size: int64(len(body)), Digest: fmt.Sprintf("%x", sha256.Sum256(body)), Modified: time.Now()}
	g.files[fileOf(r)] = fakeFile{f, body}
	return answer(w, status, f)
}

func (g *fakeGateway) getFile(w http.ResponseWriter, r *http.Request) error {
	f, ok := g.files[fileOf(r)]
	if !ok {
		return faas.Errorf(faas.NotFound, "no file %s", r.PathValue("path"))
	}
	w.Header().Set("ETag", `"`+f.Digest+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(f.Size))
	_, err := w.Write(f.body)
	return err
}

func (g *fakeGateway) removeFile(w http.ResponseWriter, r *http.Request) error {
	if _, ok := g.files[fileOf(r)]; !ok {
		return faas.Errorf(faas.NotFound, "no file %s", r.PathValue("path"))
	}
	delete(g.files, fileOf(r))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listFiles answers pages of two, whatever is asked, so that every list has some.
func (g *fakeGateway) listFiles(w http.ResponseWriter, r *http.Request) error {
	const page = 2
	doc := struct {
		Files []faas.File `json:"files"`
		Next  string      `json:"next,omitempty"`
	}{Files: []faas.File{}}
	for _, name := range slices.Sorted(maps.Keys(g.files)) {
		f := g.files[name]
		tenant, _, _ := strings.Cut(name, "/")
		if q := r.URL.Query(); tenant != r.PathValue("tenant") || !strings.HasPrefix(f.Path, q.Get("prefix")) || f.Path <= q.Get("after") {
			continue
		}
		if len(doc.Files) == page {
			doc.Next = doc.Files[page-1].Path
			break
		}
		doc.Files = append(doc.Files, f.File)
	}
	return answer(w, http.StatusOK, doc)
}
