package apiclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// FileBody are the contents of a shared file on their way to the gateway.
type FileBody struct {
	Body io.Reader // read once; closed when it is an io.Closer
	Size int64     // in bytes; -1 = not known before it is read
}

// PutFile stores a shared file of a tenant in the place of the one that is there, and reports whether there was none. ctx is
// the only limit.
func (c *Client) PutFile(ctx context.Context, tenant, path string, body FileBody) (f faas.File, created bool, err error) {
	r, err := fileRequest(http.MethodPut, tenant, path)
	if err != nil {
		return faas.File{}, false, err
	}
	r.body, r.size, r.kind = body.Body, body.Size, "application/octet-stream"
	status, err := c.slowDocument(ctx, r, &f)
	return f, status == http.StatusCreated, err
}

// OpenedFile is a shared file that is read.
type OpenedFile struct {
	File faas.File
	Body io.ReadCloser // the contents; the caller reads it to its end and closes it
}

// GetFile opens a shared file for reading, until ctx ends.
func (c *Client) GetFile(ctx context.Context, tenant, path string) (*OpenedFile, error) {
	r, err := fileRequest(http.MethodGet, tenant, path)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	f := faas.File{Path: path, Size: resp.ContentLength, Digest: strings.Trim(resp.Header.Get("ETag"), `"`)}
	if len(f.Digest) != 64 || f.Size < 0 {
		resp.Body.Close()
		return nil, &notGatewayError{url: c.URL(), why: "its answer with a file has no digest or no length"}
	}
	f.Modified, _ = time.Parse(http.TimeFormat, resp.Header.Get("Last-Modified")) // zero when it says none
	return &OpenedFile{File: f, Body: &outputBody{ReadCloser: resp.Body, client: c, ctx: ctx, cancel: func() {}}}, nil
}

// RemoveFile deletes a shared file.
func (c *Client) RemoveFile(ctx context.Context, tenant, path string) error {
	r, err := fileRequest(http.MethodDelete, tenant, path)
	if err != nil {
		return err
	}
	return c.document(ctx, r, nil)
}

// Files returns the shared files of a tenant whose paths begin with prefix, part by part in the order of their names.
func (c *Client) Files(ctx context.Context, tenant, prefix string) ([]faas.File, error) {
	if err := faas.CheckName("tenant", tenant); err != nil {
		return nil, err
	}
	list := []faas.File{}
	for query := (url.Values{"prefix": {prefix}, "limit": {"10000"}}); ; {
		var page struct {
			Files []faas.File `json:"files"`
			Next  string      `json:"next"`
		}
		if err := c.document(ctx, request{method: http.MethodGet, path: []string{"v1", "files", tenant}, query: query}, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Files...)
		if page.Next == "" || len(page.Files) == 0 {
			return list, nil
		}
		query.Set("after", page.Next)
	}
}

// fileRequest starts a request about one file.
func fileRequest(method, tenant, path string) (request, error) {
	if err := faas.CheckName("tenant", tenant); err != nil {
		return request{}, err
	}
	if err := faas.CheckFilePath(path); err != nil {
		return request{}, err
	}
	parts := []string{"v1", "files", tenant}
	for part := range strings.SplitSeq(path, "/") {
		parts = append(parts, url.PathEscape(part))
	}
	return request{method: method, path: parts}, nil
}
