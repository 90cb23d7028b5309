package gateway

import (
	"io"
	"net/http"
	"time"
)

// pacedBody is a body whose client may take bodyStart and then, for every bodyRate bytes that have come, a second more: so
// that one who stops does not hold the memory for his body for as long as the largest body might take. What the reader
// does between two reads is not the client's time.
type pacedBody struct {
	r      io.Reader
	c      *http.ResponseController
	read   int64
	waited time.Duration
}

// paced returns r's body, and what ends its deadlines.
func paced(w http.ResponseWriter, r *http.Request) (body *pacedBody, done func()) {
	c := http.NewResponseController(w)
	return &pacedBody{r: r.Body, c: c}, func() { _ = c.SetReadDeadline(time.Time{}) } // as for hurry
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	left := bodyStart + time.Duration(b.read/bodyRate)*time.Second - b.waited
	_ = b.c.SetReadDeadline(began.Add(left)) // as for hurry
	n, err := b.r.Read(p)
	b.waited += time.Since(began)
	b.read += int64(n)
	return n, err
}
