package snapshot

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
)

var benchSizes = []int{1, 16, 128} // MiB, without a zero page

func benchMemory(mib int) []byte {
	mem := make([]byte, mib<<20)
	fill(random(1), mem)
	return mem
}

// BenchmarkEncode takes the image of a memory: alone, of the next version that changes one page in a hundred, and of one
// that is zero. Beside it what nothing that names content can do without: one sha256.
func BenchmarkEncode(b *testing.B) {
	for _, mib := range benchSizes {
		mem := benchMemory(mib)
		first := encode(b, mem, nil, nil)
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%s/%dMiB", name, mib), func(b *testing.B) {
				b.SetBytes(int64(len(mem)))
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
		run("sha256", func() { sha256.Sum256(mem) })
		run("dense", func() { encode(b, mem, nil, nil) })
		b.Logf("%d MiB make a pack of %.1f %% and a manifest of %d bytes", mib, 100*float64(len(first.Pack))/float64(len(mem)), len(first.Manifest))
		zero := bytes.Repeat([]byte{1}, len(mem))
		clear(zero) // and now it is there
		run("zero", func() { encode(b, zero, nil, nil) })
		base := NewBase()
		if err := base.Add(first.Ref, bytes.NewReader(first.Pack)); err != nil {
			b.Fatal(err)
		}
		for p := 0; p < len(mem); p += 100 * Page {
			mem[p]++
		}
		run("next", func() { encode(b, mem, nil, base) })
	}
}

// BenchmarkLoad brings a memory back, and reads a pack into a base. Beside it a copy of the memory, and a sha256 of it.
func BenchmarkLoad(b *testing.B) {
	for _, mib := range benchSizes {
		mem := benchMemory(mib)
		e := encode(b, mem, nil, nil)
		m := parsed(b, e.Manifest)
		to := make([]byte, len(mem))
		open := func(PackRef) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(e.Pack)), nil }
		put := func(at int64, p []byte) error { copy(to[at:], p); return nil }
		for _, c := range []struct {
			name string
			f    func() error
		}{
			{"memcpy", func() error { copy(to, mem); return nil }},
			{"sha256", func() error { sha256.Sum256(mem); return nil }},
			{"load", func() error { return m.Load(open, put) }},
			{"base", func() error { return NewBase().Add(e.Ref, bytes.NewReader(e.Pack)) }},
		} {
			b.Run(fmt.Sprintf("%s/%dMiB", c.name, mib), func(b *testing.B) {
				b.SetBytes(int64(len(mem)))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
