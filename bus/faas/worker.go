package faas

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// NewWorkerID returns the id of a new life of the worker called name: name, a dash and a fresh incarnation of 12
// hexadecimal digits. Eight are the time in seconds, two what is past of the second in 256ths, so that ids of one worker
// sort by age, also when it comes back within a second; two are random.
func NewWorkerID(name string, now time.Time) WorkerID {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	sec := uint32(now.Unix())
	b[0], b[1], b[2], b[3] = byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec)
	b[4] = byte(int64(now.Nanosecond()) << 8 / int64(time.Second))
	return WorkerID(name + "-" + hex.EncodeToString(b[:]))
}

// CheckWorkerID reports whether id has the form that NewWorkerID gives it.
func CheckWorkerID(id WorkerID) error {
	i := strings.LastIndexByte(string(id), '-')
	if i < 0 || len(id)-i-1 != 12 {
		return Errorf(BadRequest, "worker id %q: want <name>-<12 hexadecimal digits>", clip([]byte(id)))
	}
	if _, err := hex.DecodeString(string(id[i+1:])); err != nil {
		return Errorf(BadRequest, "worker id %q: the incarnation is not hexadecimal", clip([]byte(id)))
	}
	return CheckName("worker", string(id[:i]))
}
