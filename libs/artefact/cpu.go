package artefact

import (
	"runtime"
	"strings"
)

// feature is a CPU feature that the compiler uses where it is there.
type feature struct {
	name string
	have bool
}

// CPUFeatures names the features of this machine's CPU that decide whether compiled code can run here, as
// "amd64+avx+avx2". The order is fixed: two machines run each other's code when their strings are equal.
func CPUFeatures() string {
	return featureSet(runtime.GOARCH, cpuFeatures())
}

func featureSet(arch string, features []feature) string {
	var s strings.Builder
	s.WriteString(arch)
	for _, f := range features {
		if f.have {
			s.WriteString("+" + f.name)
		}
	}
	return s.String()
}
