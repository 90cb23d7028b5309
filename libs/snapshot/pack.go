package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	packMagic     = "SHOAL\x00PK"
	packVersion   = 1
	packHeaderLen = 16

	// Pages of a guest repeat what is near: neither 256 KiB nor 8 MiB change a pack by more than 0.5 %, but the one takes a
	// third longer to encode, and the other costs memory on both sides. zstd's default level, instead of its fastest, makes
	// packs of Go guests 3 % smaller.
	encodeWindow = 1 << 20 // bytes
	decodeWindow = 8 << 20 // bytes; the largest that a reader takes

	chunkPages = 64       // that are decoded at a time
	readAhead  = 64 << 10 // bytes
)

// packWriter makes a pack of pages. Its zero value is not usable.
type packWriter struct {
	out bytes.Buffer
	zip *zstd.Encoder
}

// newPackWriter returns a packWriter for exactly this many pages, at least one.
func newPackWriter(pages uint32) (*packWriter, error) {
	zip, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(encodeWindow),
		zstd.WithEncoderConcurrency(1), // in this goroutine, and the same bytes on any machine
		zstd.WithEncoderCRC(false),     // the digest of the pack covers it
	)
	if err != nil {
		return nil, fmt.Errorf("setting up the compressor: %w", err)
	}
	w := &packWriter{zip: zip}
	w.out.Grow(packHeaderLen + int(pages)*(Page/4)) // what guests compress to, or less
	w.out.Write(packHeader(pages))
	zip.ResetContentSize(&w.out, int64(pages)*Page)
	return w, nil
}

func packHeader(pages uint32) []byte {
	b := binary.BigEndian.AppendUint16([]byte(packMagic), packVersion)
	b = append(b, 0, 0)
	return binary.BigEndian.AppendUint32(b, pages)
}

// add appends whole pages.
func (w *packWriter) add(pages []byte) error {
	_, err := w.zip.Write(pages)
	return err
}

// finish returns the pack and its name. w is of no use after it.
func (w *packWriter) finish(pages uint32) ([]byte, PackRef, error) {
	if err := w.zip.Close(); err != nil {
		return nil, PackRef{}, err
	}
	b := w.out.Bytes()
	return b, PackRef{Digest: sha256.Sum256(b), Pages: pages, Size: int64(len(b))}, nil
}

// packReader reads packs, one after the other, in constant memory. It starts no goroutine. Close it.
type packReader struct {
	unzip *zstd.Decoder
	buf   *bufio.Reader // the decoder reads headers of few bytes
	chunk []byte
}

// newPackReader returns a packReader for these packs.
func newPackReader(refs ...PackRef) (*packReader, error) {
	pages, size := uint32(1), int64(packHeaderLen)
	for _, ref := range refs {
		pages, size = max(pages, ref.Pages), max(size, ref.Size)
	}
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(decodeWindow))
	if err != nil {
		return nil, fmt.Errorf("setting up the decompressor: %w", err)
	}
	return &packReader{
		unzip: unzip,
		buf:   bufio.NewReaderSize(nil, int(min(size, readAhead))),
		chunk: make([]byte, min(pages, chunkPages)*Page),
	}, nil
}

func (p *packReader) Close() { p.unzip.Close() }

// read reads the pack ref, one of those that p is for, from r to its end and calls each for its pages in order: first is the number of the first of
// them, pages is valid until each returns. It returns nil only if r was exactly that pack.
func (p *packReader) read(ref PackRef, r io.Reader, each func(first uint32, pages []byte) error) error {
	src := newSource(ref, r)
	p.buf.Reset(src)
	if err := src.header(p.buf); err != nil {
		return err
	}
	if err := p.unzip.Reset(p.buf); err != nil {
		return src.blame(err, 0)
	}
	for first := uint32(0); first < ref.Pages; first += chunkPages {
		chunk := p.chunk[:min(chunkPages, ref.Pages-first)*Page]
		if _, err := io.ReadFull(p.unzip, chunk); err != nil {
			return src.blame(err, first)
		}
		if err := each(first, chunk); err != nil {
			return err
		}
	}
	// The end of the stream is to be here. The decoder reports it only where the source ends too.
	switch n, err := io.ReadFull(p.unzip, p.chunk[:1]); {
	case n > 0:
		return fmt.Errorf("%w: %s decodes to more than its %d pages", ErrCorrupt, ref.Object(), ref.Pages)
	case !errors.Is(err, io.EOF):
		return src.blame(err, ref.Pages)
	}
	return src.finish()
}

// source reads the bytes of one pack: no more than its size, hashing them.
type source struct {
	ref  PackRef
	r    io.Reader
	left int64
	sum  hash.Hash
	err  error // of r, but io.EOF
}

func newSource(ref PackRef, r io.Reader) *source {
	return &source{ref: ref, r: r, left: ref.Size, sum: sha256.New()}
}

func (s *source) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(b[:min(int64(len(b)), s.left)])
	s.sum.Write(b[:n])
	s.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// header reads the pack's header from buf, which reads from s.
func (s *source) header(buf io.Reader) error {
	if err := s.ref.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	var h [packHeaderLen]byte
	if _, err := io.ReadFull(buf, h[:]); err != nil {
		return s.blame(err, 0)
	}
	if string(h[:8]) != packMagic {
		return fmt.Errorf("%w: %s starts with %q", ErrCorrupt, s.ref.Object(), h[:8])
	}
	if v := binary.BigEndian.Uint16(h[8:]); v != packVersion {
		return fmt.Errorf("%w: %s has format version %d, only %d is known", ErrCorrupt, s.ref.Object(), v, packVersion)
	}
	if want := packHeader(s.ref.Pages); !bytes.Equal(h[:], want) {
		return fmt.Errorf("%w: %s starts with % x, want % x", ErrCorrupt, s.ref.Object(), h[8:], want[8:])
	}
	return nil
}

// blame turns an error of whoever reads from s into that of s.r, if it is the cause, or else into ErrCorrupt at a page.
func (s *source) blame(err error, page uint32) error {
	switch {
	case s.err != nil:
		return fmt.Errorf("reading %s: %w", s.ref.Object(), s.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %s ends within page %d", ErrCorrupt, s.ref.Object(), page)
	}
	return fmt.Errorf("%w: %s at page %d: %w", ErrCorrupt, s.ref.Object(), page, err)
}

// finish checks what can be known only at the end: that s.r ends there, and the digest.
func (s *source) finish() error {
	if s.err != nil {
		return fmt.Errorf("reading %s: %w", s.ref.Object(), s.err)
	}
	if s.left > 0 {
		return fmt.Errorf("%w: %s ends after %d of %d bytes", ErrCorrupt, s.ref.Object(), s.ref.Size-s.left, s.ref.Size)
	}
	switch _, err := io.ReadFull(s.r, make([]byte, 1)); {
	case err == nil:
		return fmt.Errorf("%w: %s has more than its %d bytes", ErrCorrupt, s.ref.Object(), s.ref.Size)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("reading %s: %w", s.ref.Object(), err)
	}
	if got := Digest(s.sum.Sum(nil)); got != s.ref.Digest {
		return fmt.Errorf("%w: %s has the digest %s", ErrCorrupt, s.ref.Object(), got)
	}
	return nil
}

// CopyPack copies the pack ref from r to w, reading r to its end, in constant memory and without decoding it. It returns
// nil only if r was exactly that pack; on an error w has got some of it, which must be thrown away. Errors wrap ErrCorrupt
// unless r or w failed.
func CopyPack(ref PackRef, r io.Reader, w io.Writer) error {
	if err := ref.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	src := newSource(ref, r)
	if _, err := io.Copy(w, src); err != nil && src.err == nil {
		return fmt.Errorf("writing %s: %w", ref.Object(), err)
	}
	return src.finish()
}
