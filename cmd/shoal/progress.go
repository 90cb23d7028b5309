package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress shows up after progressAfter, and is drawn again every progressEvery.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// wipe clears a terminal's current line.
const wipe = "\r\x1b[K"

// progress shows on a terminal how far a body has gone out, and then that an answer is awaited.
type progress struct {
	w             io.Writer
	first, second string // what is done while the body goes out, and after
	size          int64  // of the body; -1 = not known

	mu    sync.Mutex
	sent  int64
	ended bool // the body was read to its end
	shown bool

	quit chan struct{} // nil when there is no terminal
	done chan struct{}
}

// progress starts showing progress on stderr if that is a terminal. The caller ends it with stop.
func (a *app) progress(first, second string, size int64) *progress {
	p := &progress{w: a.stderr, first: first, second: second, size: size}
	if a.stderrTerminal && a.output == text {
		p.quit, p.done = make(chan struct{}), make(chan struct{})
		go p.run()
	}
	return p
}

func (p *progress) run() {
	defer close(p.done)
	timer := time.NewTimer(progressAfter)
	defer timer.Stop()
	begin := time.Now()
	for {
		select {
		case <-p.quit:
			p.show("")
			return
		case <-timer.C:
			p.show(p.line(time.Since(begin)))
			timer.Reset(progressEvery)
		}
	}
}

// show draws line in place of what was shown.
func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if line != "" || p.shown {
		fmt.Fprint(p.w, wipe+line)
	}
	p.shown = line != ""
}

func (p *progress) line(took time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended || p.sent == p.size:
		return p.second + " … " + span(took)
	case p.size > 0:
		return fmt.Sprintf("%s … %s of %s (%d %%)", p.first, humanSize(p.sent), humanSize(p.size), p.sent*100/p.size)
	}
	return p.first + " … " + humanSize(p.sent)
}

// stop wipes what is shown. It is safe to call once, whether or not there is a terminal.
func (p *progress) stop() {
	if p.quit != nil {
		close(p.quit)
		<-p.done
	}
}

// reader counts what is read of r, and closes r.
func (p *progress) reader(r io.Reader) io.ReadCloser { return &countingReader{r: r, p: p} }

// part is reader for one of several bodies: the end of it is not that of all.
func (p *progress) part(r io.Reader) io.ReadCloser { return &countingReader{r: r, p: p, part: true} }

// clear wipes what is shown, until it is drawn again.
func (p *progress) clear() { p.show("") }

type countingReader struct {
	r    io.Reader
	p    *progress
	part bool
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.mu.Lock()
	c.p.sent += int64(n)
	c.p.ended = c.p.ended || err == io.EOF && !c.part
	c.p.mu.Unlock()
	return n, err
}

func (c *countingReader) Close() error {
	if r, ok := c.r.(io.Closer); ok {
		return r.Close()
	}
	return nil
}

// writer passes what is written on to the terminal, over the line that is shown.
func (p *progress) writer() io.Writer { return (*progressWriter)(p) }

type progressWriter progress

func (p *progressWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = io.WriteString(p.w, wipe) // the write that matters follows
		p.shown = false
	}
	return p.w.Write(b)
}
