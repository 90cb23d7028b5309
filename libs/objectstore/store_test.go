package objectstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/objectstore"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func server(t *testing.T) jetstream.JetStream {
	t.Helper()
	s, err := natsd.Start(natsd.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, err := nats.Connect("", s.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func open(t *testing.T, js jetstream.JetStream, opts objectstore.Options) *objectstore.Store {
	t.Helper()
	s, err := objectstore.Open(t.Context(), js, "things", opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *objectstore.Store, name string, body []byte) objectstore.Info {
	t.Helper()
	info, err := s.Put(t.Context(), name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t *testing.T, s *objectstore.Store, name string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(b)
	return b
}

// chunks returns how many pieces the bucket has, live or not.
func chunks(t *testing.T, js jetstream.JetStream) (n uint64) {
	t.Helper()
	stream, err := js.Stream(t.Context(), "OBJ_things")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("$O.things.C.>"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range info.State.Subjects {
		n += c
	}
	return n
}

func wantCode(t *testing.T, err error, code faas.Code) {
	t.Helper()
	if faas.CodeOf(err) != code {
		t.Errorf("error %v, want code %q", err, code)
	}
}

func TestPutGet(t *testing.T) {
	s := open(t, server(t), objectstore.Options{})
	for _, n := range []int{0, 1, 128<<10 - 1, 128 << 10, 128<<10 + 1, 9<<20 + 17} {
		body := random(n)
		name := fmt.Sprintf("module/%d é", n)
		info, err := s.Put(t.Context(), name, iotest.HalfReader(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(n) {
			t.Errorf("size %d, want %d", info.Size, n)
		}
		r, err := s.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.LimitReader(r, int64(n)+1), body); n < 1<<20 && err != nil {
			t.Error(err)
		}
		r.Close()
		if got := get(t, s, name); !bytes.Equal(got, body) {
			t.Errorf("%d bytes: got %d others", n, len(got))
		}
		if ok, err := s.Has(t.Context(), name); !ok || err != nil {
			t.Errorf("Has = %v, %v", ok, err)
		}
	}
}

func TestMissing(t *testing.T) {
	s := open(t, server(t), objectstore.Options{})
	ctx := t.Context()
	_, err := s.Get(ctx, "none")
	wantCode(t, err, faas.NotFound)
	_, err = s.Stat(ctx, "none")
	wantCode(t, err, faas.NotFound)
	wantCode(t, s.Delete(ctx, "none"), faas.NotFound)
	wantCode(t, s.Touch(ctx, "none"), faas.NotFound)
	if ok, err := s.Has(ctx, "none"); ok || err != nil {
		t.Errorf("Has = %v, %v", ok, err)
	}
	_, err = s.Put(ctx, "", strings.NewReader("x"))
	wantCode(t, err, faas.BadRequest)
	put(t, s, "gone", []byte("x"))
	if err := s.Delete(ctx, "gone"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(ctx, "gone")
	wantCode(t, err, faas.NotFound)
}

func TestPutFailsWhole(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{MaxObject: 1 << 20})
	old := random(1 << 20) // exactly the limit
	put(t, s, "a", old)
	before := chunks(t, js)

	_, err := s.Put(t.Context(), "a", bytes.NewReader(random(1<<20+1)))
	wantCode(t, err, faas.TooLarge)
	broken := errors.New("the client left")
	_, err = s.Put(t.Context(), "a", io.MultiReader(bytes.NewReader(random(300<<10)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	_, err = s.Put(t.Context(), "a", io.MultiReader(bytes.NewReader(random(9)), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that was cut off was taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Put(ctx, "a", readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	wantCode(t, err, faas.Cancelled)

	if got := get(t, s, "a"); !bytes.Equal(got, old) {
		t.Error("a failed put changed the object")
	}
	if after := chunks(t, js); after != before {
		t.Errorf("%d chunks, before the failed puts %d", after, before)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPutAgain(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	body := random(300 << 10)
	first := put(t, s, "a", body)
	r, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	second := put(t, s, "a", body)
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, body[10:]) {
		t.Errorf("a reader noticed that the same bytes were put again: %v", err)
	}
	if n := chunks(t, js); n != 3 {
		t.Errorf("%d chunks, want 3", n)
	}
	if !second.Time.After(first.Time) {
		t.Errorf("put at %v, again at %v", first.Time, second.Time)
	}
	wantCode(t, s.DeleteUnchanged(t.Context(), first), faas.Conflict)

	r, err = s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", []byte("other"))
	_, err = io.ReadAll(r)
	wantCode(t, err, faas.NotFound)
	if got := get(t, s, "a"); string(got) != "other" {
		t.Errorf("got %q", got)
	}
	if n := chunks(t, js); n != 1 {
		t.Errorf("%d chunks, want 1", n)
	}
}

// TestRace puts, touches, deletes and reads one name from many goroutines: a read gives one of the bodies whole or says
// not_found, and at the end there is one object's worth of chunks.
func TestRace(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	bodies := [][]byte{random(200 << 10), random(300 << 10)[1:], random(10)}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				body := bodies[(g+i)%len(bodies)]
				if _, err := s.Put(t.Context(), "a", bytes.NewReader(body)); err != nil {
					t.Error(err)
				}
				switch i % 3 {
				case 0:
					if err := s.Touch(t.Context(), "a"); err != nil && faas.CodeOf(err) != faas.NotFound {
						t.Error(err)
					}
				case 1:
					if err := s.Delete(t.Context(), "a"); err != nil && faas.CodeOf(err) != faas.NotFound {
						t.Error(err)
					}
				}
				r, err := s.Get(t.Context(), "a")
				if err == nil {
					var got []byte
					if got, err = io.ReadAll(r); err == nil && !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) && !bytes.Equal(got, bodies[2]) {
						t.Errorf("read %d bytes that nobody put", len(got))
					}
				}
				if err != nil && faas.CodeOf(err) != faas.NotFound {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	put(t, s, "a", bodies[2])
	if n := chunks(t, js); n != 1 {
		t.Errorf("%d chunks, want 1", n)
	}
}

func TestListAndSweep(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	for _, name := range []string{"staging/1", "staging/2", "module/1"} {
		put(t, s, name, random(200<<10))
	}
	infos, err := s.List(t.Context(), "staging/")
	if err != nil || len(infos) != 2 || infos[0].Size != 200<<10 || time.Since(infos[0].Time) > time.Minute {
		t.Errorf("List = %+v, %v", infos, err)
	}
	for range 3 {
		if _, err := js.Publish(t.Context(), "$O.things.C.orphan", []byte("left by a crash")); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("Sweep of the last hour = %d, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if n := chunks(t, js); n != 6 {
		t.Errorf("%d chunks, want 6", n)
	}
	get(t, s, "staging/1")
}

// TestNATSFormat defends that nats.go's client and ours read each other's objects.
func TestNATSFormat(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	theirs, err := js.ObjectStore(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	body := random(400 << 10)
	put(t, s, "ours", body)
	if got, err := theirs.GetBytes(t.Context(), "ours"); err != nil || !bytes.Equal(got, body) {
		t.Errorf("nats.go read %d bytes, %v", len(got), err)
	}
	if _, err := theirs.PutBytes(t.Context(), "theirs", body); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "theirs"); !bytes.Equal(got, body) {
		t.Errorf("we read %d bytes", len(got))
	}
	if err := theirs.Delete(t.Context(), "ours"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), "ours")
	wantCode(t, err, faas.NotFound)
	put(t, s, "ours", body) // over their marker of deletion
	get(t, s, "ours")
}

func TestCorrupt(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	put(t, s, "a", random(300<<10))
	stream, err := js.Stream(t.Context(), "OBJ_things")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 2); err != nil { // the second chunk
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, objectstore.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
}

func TestServerAway(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{})
	put(t, s, "a", []byte("x"))
	js.Conn().Close()
	_, err := s.Get(t.Context(), "a")
	wantCode(t, err, faas.Unavailable)
	_, err = s.Put(t.Context(), "a", strings.NewReader("y"))
	wantCode(t, err, faas.Unavailable)
}

// An object that is named when its bytes are known is there under that name only, once.
func TestPutNamed(t *testing.T) {
	s := open(t, server(t), objectstore.Options{MaxObject: 1 << 20})
	body := bytes.Repeat([]byte("shoal"), 100_000)
	var infos []objectstore.Info
	for range 2 {
		info, err := s.PutNamed(t.Context(), bytes.NewReader(body), func(i objectstore.Info) (string, error) { return "of/" + i.Sum(), nil })
		if err != nil || info.Name != fmt.Sprintf("of/%x", sha256.Sum256(body)) {
			t.Fatalf("%+v, %v", info, err)
		}
		infos = append(infos, info)
	}
	if all, err := s.List(t.Context(), ""); err != nil || len(all) != 1 || all[0].Time.Before(infos[0].Time) {
		t.Errorf("%+v, %v", all, err)
	}
	refusal := errors.New("no")
	if _, err := s.PutNamed(t.Context(), bytes.NewReader(body), func(objectstore.Info) (string, error) { return "", refusal }); !errors.Is(err, refusal) {
		t.Errorf("refused: %v", err)
	}
	if _, err := s.PutNamed(t.Context(), bytes.NewReader(make([]byte, 2<<20)), nil); faas.CodeOf(err) != faas.TooLarge {
		t.Errorf("too large: %v", err)
	}
	if n, err := s.Sweep(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d objects without a name are left, %v", n, err)
	}
	if got := (objectstore.Info{Digest: "SHA-1=xyz"}).Sum(); got != "" {
		t.Errorf("a sum of another kind is %q", got)
	}
}
