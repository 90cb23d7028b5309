package shoal

import (
	"slices"
	"testing"
)

func TestRestored(t *testing.T) {
	t.Cleanup(func() { restorers = nil })
	seeded := 0
	can := func() bool { seeded++; return true }
	cannot := func() bool { return false }
	if got := restored(can); got != renewedRuntime {
		t.Errorf("%d with nothing registered", got)
	}
	var ran []int
	for i := range 3 {
		OnRestore(func() { ran = append(ran, 10*seeded+i) })
	}
	if got := restored(can); got != renewedAll || !slices.Equal(ran, []int{20, 21, 22}) {
		t.Errorf("%d, ran %v: they run in their order, after the seed", got, ran)
	}
	if got := restored(cannot); got != renewedNothing || len(ran) != 6 {
		t.Errorf("%d without a seed, ran %v", got, ran)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil function was registered")
		}
	}()
	OnRestore(nil)
}
