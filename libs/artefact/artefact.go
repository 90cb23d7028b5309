package artefact

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/shoal-run/shoal/bus/faas"
)

const (
	magic         = "SHOAL\x00AF"
	formatVersion = 1
	fixedLen      = 88
	maxEngine     = 256
	maxCPU        = 2048
)

// MaxPayload is the largest compiled module, in bytes: compiling makes a module a few times as large.
const MaxPayload = 4 * int64(faas.MaxModule)

// Key says what an artefact is for.
type Key struct {
	Version faas.Version // of the module that was compiled
	Engine  string       // version of the engine that loads it
	CPU     string       // feature set it was compiled for, as CPUFeatures gives it
}

// ProtoKey is what the manifest of a Proto-Faaslet is signed and stored for, as an artefact is: a version of a module, the
// engine whose pre-pass named the globals, the tenant that had it captured, since tenants trust nothing that another's guest
// was told, and the snapshot.Setup that its initialisers were told; "" for one that suits any. It depends on no CPU.
func ProtoKey(v faas.Version, engine, tenant, setup string) Key {
	if setup == "" {
		setup = "any setup"
	}
	return Key{Version: v, Engine: engine, CPU: "proto-faaslet of " + tenant + " for " + setup}
}

// Object returns the name for k's artefact in the object store: the version, and after a dot a digest of the rest.
// It has only lower-case hexadecimal digits and the dot.
func (k Key) Object() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%d:%s", len(k.Engine), k.Engine, len(k.CPU), k.CPU)
	return string(k.Version) + "." + hex.EncodeToString(h.Sum(nil)[:8])
}

// Validate reports a key that no artefact can have.
func (k Key) Validate() error {
	if err := k.Version.Validate(); err != nil {
		return err
	}
	if n := len(k.Engine); n == 0 || n > maxEngine {
		return fmt.Errorf("engine version of %d bytes: want 1 to %d", n, maxEngine)
	}
	if n := len(k.CPU); n == 0 || n > maxCPU {
		return fmt.Errorf("CPU feature set of %d bytes: want 1 to %d", n, maxCPU)
	}
	return nil
}

// Sign returns the header that makes payload an artefact for k: the artefact is the header and right behind it the
// payload. It keeps nothing of the payload.
func Sign(key ed25519.PrivateKey, k Key, payload []byte) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("signing key has %d bytes, want %d", len(key), ed25519.PrivateKeySize)
	}
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("signing an artefact: %w", err)
	}
	if int64(len(payload)) > MaxPayload {
		return nil, fmt.Errorf("signing an artefact: %d bytes are more than %d", len(payload), MaxPayload)
	}
	h := appendHeader(nil, k, sha256.Sum256(payload), uint64(len(payload)))
	return append(h, ed25519.Sign(key, h)...), nil
}

// appendHeader appends what is signed. k is valid.
func appendHeader(b []byte, k Key, sum [sha256.Size]byte, n uint64) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.Engine)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.CPU)))
	b = append(b, 0, 0)
	module, _ := hex.DecodeString(string(k.Version)) // Validate has seen it
	b = append(b, module...)
	b = append(b, sum[:]...)
	b = binary.BigEndian.AppendUint64(b, n)
	b = append(b, k.Engine...)
	return append(b, k.CPU...)
}

// Verify reads an artefact from r to its end and copies the payload to w. It returns nil only if the header was signed
// with the private key to pub, is for want, and the payload is the one that was signed, with nothing behind it.
//
// The payload is written as it is read, in constant memory: nothing that w got may be used until Verify has returned
// nil. What w gets is never more than the signed length. Write it where nobody else can change it.
func Verify(pub ed25519.PublicKey, want Key, r io.Reader, w io.Writer) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("public key has %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	if err := want.Validate(); err != nil {
		return fmt.Errorf("verifying an artefact: %w", err)
	}
	h, err := readHeader(r)
	if err != nil {
		return err
	}
	if !ed25519.Verify(pub, h.signed, h.signature) {
		return ErrSignature
	}
	if err := h.match(want); err != nil {
		return err
	}
	return h.copy(r, w)
}

// header is a decoded header; nothing in it is to be believed before the signature was checked.
type header struct {
	signed    []byte // all of it but the signature
	signature []byte
	key       Key
	sum       []byte
	length    uint64
}

func readHeader(r io.Reader) (*header, error) {
	fixed := make([]byte, fixedLen, fixedLen+128)
	if err := readFull(r, fixed); err != nil {
		return nil, err
	}
	if string(fixed[:8]) != magic {
		return nil, fmt.Errorf("%w: it starts with %q", ErrFormat, fixed[:8])
	}
	if v := binary.BigEndian.Uint16(fixed[8:]); v != formatVersion {
		return nil, fmt.Errorf("%w: format version %d, only %d is known", ErrFormat, v, formatVersion)
	}
	e, c := int(binary.BigEndian.Uint16(fixed[10:])), int(binary.BigEndian.Uint16(fixed[12:]))
	length := binary.BigEndian.Uint64(fixed[80:])
	if e == 0 || e > maxEngine || c == 0 || c > maxCPU || fixed[14]|fixed[15] != 0 || length > uint64(MaxPayload) {
		return nil, fmt.Errorf("%w: its header has impossible lengths", ErrFormat)
	}
	b := append(fixed, make([]byte, e+c+ed25519.SignatureSize)...)
	if err := readFull(r, b[fixedLen:]); err != nil {
		return nil, err
	}
	end := fixedLen + e + c
	return &header{
		signed:    b[:end],
		signature: b[end:],
		key: Key{
			Version: faas.Version(hex.EncodeToString(b[16:48])),
			Engine:  string(b[fixedLen : fixedLen+e]),
			CPU:     string(b[fixedLen+e : end]),
		},
		sum:    b[48:80],
		length: length,
	}, nil
}

// readFull fills b; the end of r within it is ErrFormat.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within the header", ErrFormat)
	}
	if err != nil {
		return fmt.Errorf("reading an artefact: %w", err)
	}
	return nil
}

func (h *header) match(want Key) error {
	switch {
	case h.key.Version != want.Version:
		return fmt.Errorf("%w: module version %s, want %s", ErrMismatch, h.key.Version, want.Version)
	case h.key.Engine != want.Engine:
		return fmt.Errorf("%w: engine %q, want %q", ErrMismatch, h.key.Engine, want.Engine)
	case h.key.CPU != want.CPU:
		return fmt.Errorf("%w: cpu %q, want %q", ErrMismatch, h.key.CPU, want.CPU)
	}
	return nil
}

// copy copies the payload and compares it with what was signed.
func (h *header) copy(r io.Reader, w io.Writer) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, int64(h.length)))
	if err != nil {
		return fmt.Errorf("copying an artefact: %w", err)
	}
	if uint64(n) < h.length {
		return fmt.Errorf("%w: it ends after %d of %d bytes", ErrCorrupt, n, h.length)
	}
	switch _, err := io.ReadFull(r, make([]byte, 1)); {
	case err == nil:
		return fmt.Errorf("%w: more than its %d bytes", ErrCorrupt, h.length)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("reading an artefact: %w", err)
	}
	if !bytes.Equal(sum.Sum(nil), h.sum) {
		return fmt.Errorf("%w: its digest differs", ErrCorrupt)
	}
	return nil
}
