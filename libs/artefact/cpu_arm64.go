package artefact

import "golang.org/x/sys/cpu"

// cpuFeatures lists what the engine's compiler looks for on AArch64. Pointer authentication can't be seen from here:
// the engine itself refuses code that was compiled with it where it is missing.
func cpuFeatures() []feature {
	a := &cpu.ARM64
	return []feature{
		{"asimdhp", a.HasASIMDHP},
		{"atomics", a.HasATOMICS},
		{"fphp", a.HasFPHP},
	}
}
