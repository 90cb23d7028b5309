package standalone

import (
	"testing"

	"github.com/shoal-run/shoal/services/worker"
)

// TestWorkersShareMemory: the workers of one process together promise no more memory than the process may have.
func TestWorkersShareMemory(t *testing.T) {
	for _, workers := range []int{0, 1, 3} {
		s := New(Config{Workers: workers})
		if got, all := int(s.memoryLimit())*s.cfg.Workers, int(worker.DefaultMemoryLimit()); got > all || got < all-workers {
			t.Errorf("%d workers promise %d bytes of %d", workers, got, all)
		}
	}
}
