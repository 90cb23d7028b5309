package worker

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
)

// TestOneCallerAfterTheOther has one slot, no queue, memory for one call and a concurrency of 1, and a caller that calls
// again as soon as it was answered: it is never refused for what its own last call still holds.
func TestOneCallerAfterTheOther(t *testing.T) {
	f := start(t, func(c *Config) { c.Slots, c.Queue, c.MemoryLimit = 1, -1, faas.DefaultMemory })
	v := f.artefacts.Add(watLog) // which leaves the worker something to do after the answer
	f.functions.set(faas.Function{Name: echo, Revision: 1, Settings: faas.Settings{Concurrency: 1}})
	reply := f.nc.NewInbox()
	answers := bustest.Subscribe(t, f.nc, reply)
	for i := range 2000 {
		if err := f.nc.PublishMsg(bus.EncodeCall(f.call(echo, v, 20*time.Second), bus.WorkerCallSubject(f.ID()), reply)); err != nil {
			t.Fatal(err)
		}
		if r := result(t, answers); r.Err != nil {
			t.Fatalf("call %d: %v", i, r.Err)
		}
	}
}
