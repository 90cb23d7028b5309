//go:build linux && cgo

package compile

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

func TestLimitsBySize(t *testing.T) {
	for _, k := range []struct {
		size int
		c    Compiler
		want Compiler
	}{
		{10_000, Compiler{}, Compiler{Memory: 1088 * faas.MiB, CPU: 20 * time.Second, Wall: DefaultWall, artefact: 80 * faas.MiB}},
		{30 << 20, Compiler{}, Compiler{Memory: 3008 * faas.MiB, CPU: 320 * time.Second, Wall: DefaultWall, artefact: 2000 * faas.MiB}},
		{200 << 20, Compiler{}, Compiler{Memory: DefaultMemory, CPU: DefaultCPU, Wall: DefaultWall, artefact: MaxArtefact}},
		{10_000, Compiler{Memory: 1, CPU: 2, Wall: 3}, Compiler{Memory: 1, CPU: 2, Wall: 3, artefact: 80 * faas.MiB}},
	} {
		if got := k.c.withDefaults().within(k.size); got != k.want {
			t.Errorf("%d bytes: %+v, want %+v", k.size, got, k.want)
		}
	}
}
