package hostapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// deadlineSlack is by how much a call may outlive its deadline.
const deadlineSlack = 100 * time.Millisecond

// lengthy returns, for the rows that can take long, arguments that make them take as long as they can, in a memory that is
// all the body's but its first page.
func lengthy(r *Row, mem guest.Memory) []uint64 {
	const first = 4096
	body := uint64(len(mem) - first)
	binary.LittleEndian.PutUint32(mem[0:], first) // one buffer
	binary.LittleEndian.PutUint32(mem[4:], uint32(body))
	switch r.Name {
	case "__faasm_read_input", "__faasm_write_output", "random_get":
		return []uint64{first, body}
	case "fd_read":
		return []uint64{0, 0, 1, 8}
	case "fd_write":
		return []uint64{1, 0, 1, 8}
	case "poll_oneoff": // an hour's sleep
		sub := mem[64:][:48]
		clear(sub)
		binary.LittleEndian.PutUint32(sub[16:], 1)
		binary.LittleEndian.PutUint64(sub[24:], uint64(time.Hour))
		return []uint64{64, 128, 1, 8}
	}
	return nil
}

// TestNothingOutlivesItsDeadline calls every row with the arguments that keep it busy for longest, in a call whose time ends
// meanwhile, and in one whose time is over: it comes back. A row that could take long is one of lengthy's: the others are given
// extremes, and must be done at once.
func TestNothingOutlivesItsDeadline(t *testing.T) {
	mem := guest.Memory(make([]byte, 256<<20))
	input := make([]byte, len(mem))
	table := New()
	for i := range table {
		r := &table[i]
		t.Run(r.Module+"."+r.Name, func(t *testing.T) {
			var all [][]uint64
			if args := lengthy(r, mem); args != nil {
				all = append(all, args)
			}
			for _, v := range extremes {
				all = append(all, bytesOf(v, len(r.Params)))
			}
			for _, args := range all {
				for _, left := range []time.Duration{5 * time.Millisecond, 0} {
					late := time.Duration(1 << 62)
					for try := 0; try < 3 && late > deadlineSlack; try++ { // the machine may be busy with something else
						late = min(late, outlives(t, r, mem, input, args, left))
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
func outlives(t *testing.T, r *Row, mem guest.Memory, input []byte, args []uint64, left time.Duration) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left)
	defer cancel()
	c := NewCall(CallConfig{Ctx: ctx, Input: input, MaxOutput: len(mem), MaxLog: len(mem)})
	lengthy(r, mem) // what an earlier one may have written over
	end := time.Now().Add(left)
	_, err := r.Func(c, mem, raw(args))
	late := time.Since(end)
	if err != nil && !isEnd(r, err) {
		t.Errorf("%v", err)
	}
	return late
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
