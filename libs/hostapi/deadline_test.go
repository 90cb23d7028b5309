package hostapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// deadlineSlack is by how much a call may outlive its deadline.
const deadlineSlack = 100 * time.Millisecond

// lengthy returns, for the rows that can take long, arguments that make them take as long as they can, in a memory that is
// all the body's but its first page. At its start is a list of many buffers, each of them not long. Descriptor 3 is a directory with
// many entries, 5 a large shared file, 6 one that is all hole.
func lengthy(r *Row, mem guest.Memory) [][]uint64 {
	const first, many = 4096, 1024
	body := uint64(len(mem) - first)
	binary.LittleEndian.PutUint32(mem[0:], first) // one buffer
	binary.LittleEndian.PutUint32(mem[4:], uint32(body))
	for i := range many {
		binary.LittleEndian.PutUint32(mem[first+8*i:], 4*first+uint32(i)%128<<20)
		binary.LittleEndian.PutUint32(mem[first+8*i+4:], 1<<20)
	}
	switch r.Name {
	case "__faasm_read_input", "__faasm_write_output", "random_get":
		return [][]uint64{{first, body}}
	case "fd_read":
		return [][]uint64{{0, 0, 1, 8}, {5, 0, 1, 8}, {6, 0, 1, 8}, {0, first, many, 8}, {5, first, many, 8}, {6, first, many, 8}}
	case "fd_write":
		return [][]uint64{{1, 0, 1, 8}, {5, 0, 1, 8}, {6, 0, 1, 8}, {1, first, many, 8}, {5, first, many, 8}, {6, first, many, 8}}
	case "fd_pread", "fd_pwrite":
		return [][]uint64{{5, 0, 1, 0, 8}, {6, 0, 1, 0, 8}, {5, first, many, 0, 8}, {6, first, many, 0, 8}}
	case "fd_allocate":
		return [][]uint64{{5, 0, body}, {6, 0, body}}
	case "fd_filestat_set_size":
		return [][]uint64{{5, 1}, {6, 0}}
	case "fd_readdir":
		return [][]uint64{{3, first, body, 0, 8}}
	case "poll_oneoff": // an hour's sleep
		sub := mem[64:][:48]
		clear(sub)
		binary.LittleEndian.PutUint32(sub[16:], 1)
		binary.LittleEndian.PutUint64(sub[24:], uint64(time.Hour))
		return [][]uint64{{64, 128, 1, 8}}
	}
	return nil
}

// TestNothingOutlivesItsDeadline calls every row with the arguments that keep it busy for longest, in a call whose time ends
// meanwhile, and in one whose time is over: it comes back. A row that could take long is one of lengthy's: the others are given
// extremes, and must be done at once.
func TestNothingOutlivesItsDeadline(t *testing.T) {
	mem := guest.Memory(make([]byte, 256<<20))
	input := make([]byte, len(mem))
	files := map[string]string{"big": unsafe.String(unsafe.SliceData(input), len(input))}
	for i := range 200000 {
		files[fmt.Sprintf("many/%d", i)] = ""
	}
	shared := vfstest.New(files)
	table := supported()
	for i := range table {
		r := &table[i]
		t.Run(r.Module+"."+r.Name, func(t *testing.T) {
			var all [][]uint64
			all = append(all, lengthy(r, mem)...)
			for _, v := range extremes {
				all = append(all, bytesOf(v, len(r.Params)))
			}
			for _, args := range all {
				for _, left := range []time.Duration{5 * time.Millisecond, 0} {
					late := time.Duration(1 << 62)
					for try := 0; try < 3 && late > deadlineSlack; try++ { // the machine may be busy with something else
						late = min(late, outlives(t, r, mem, shared, input, args, left))
					}
					if late > deadlineSlack {
						t.Errorf("with %x it returned %v after the end of the call, which had %v", args, late, left)
					}
				}
			}
		})
	}
}

func bytesOf(v uint64, n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// outlives returns by how much a row outlives a call that has so much time left.
func outlives(t *testing.T, r *Row, mem guest.Memory, shared vfs.Shared, input []byte, args []uint64, left time.Duration) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left)
	defer cancel()
	c := NewCall(CallConfig{
		Ctx: ctx, Input: input, MaxOutput: len(mem), MaxLog: len(mem), Shared: shared, FileLimits: vfs.Limits{Bytes: int64(len(mem))},
		Preopens: []wasi.Preopen{{Name: "/many", Path: "many"}, {Name: "/"}},
	})
	defer c.WASI.Close()
	openBig(t, c)
	lengthy(r, mem) // what an earlier one may have written over
	end := time.Now().Add(left)
	_, err := r.Func(c, mem, raw(args))
	late := time.Since(end)
	if err != nil && !isEnd(r, err) {
		t.Errorf("%v", err)
	}
	return late
}

// openBig opens what lengthy counts on.
func openBig(t *testing.T, c *Call) {
	t.Helper()
	mem := guest.Memory("bighole....")
	ctx := c.WASI.Ctx
	c.WASI.Ctx = nil // the call's time may be over, and this has to be done
	for _, errno := range []wasi.Errno{
		c.WASI.PathOpen(mem, 4, 0, 0, 3, 0, 1<<28-1, 0, 0, 7), c.WASI.PathOpen(mem, 4, 0, 3, 4, wasi.OpenCreate, 1<<28-1, 0, 0, 7),
		c.WASI.FdFilestatSetSize(6, 1<<39),
	} {
		if errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
	}
	c.WASI.Ctx = ctx
}

// What was interrupted is no output, and what was not is whole.
func TestLargeBodiesAreCopiedWhole(t *testing.T) {
	mem := guest.Memory(make([]byte, 8<<20))
	for i := range mem {
		mem[i] = byte(i * 7919 >> 8)
	}
	want := bytes.Clone(mem[100 : 5<<20])
	c := NewCall(CallConfig{Ctx: t.Context(), Input: want})
	if _, err := writeOutput(c, mem, raw([]uint64{100, uint64(len(want))})); err != nil || !bytes.Equal(c.output, want) {
		t.Errorf("the output differs, %v", err)
	}
	clear(mem)
	if n, err := readInput(c, mem, raw([]uint64{50, 8 << 19})); err != nil || n != 8<<19 || !bytes.Equal(mem[50:50+n], want[:n]) {
		t.Errorf("the input differs, %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c = NewCall(CallConfig{Ctx: over, Input: want})
	if _, err := writeOutput(c, mem, raw([]uint64{0, 4 << 20})); !errors.Is(err, wasi.ErrInterrupted) || c.output != nil {
		t.Errorf("an interrupted output: %v, %d bytes", err, len(c.output))
	}
	if _, err := readInput(c, mem, raw([]uint64{0, 4 << 20})); !errors.Is(err, wasi.ErrInterrupted) {
		t.Errorf("an interrupted input: %v", err)
	}
}
