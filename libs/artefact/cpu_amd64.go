package artefact

import "golang.org/x/sys/cpu"

// cpuFeatures lists what the engine's compiler looks for on x86-64.
func cpuFeatures() []feature {
	x := &cpu.X86
	return []feature{
		{"avx", x.HasAVX},
		{"avx2", x.HasAVX2},
		{"avx512bitalg", x.HasAVX512BITALG},
		{"avx512dq", x.HasAVX512DQ},
		{"avx512f", x.HasAVX512F},
		{"avx512vbmi", x.HasAVX512VBMI},
		{"avx512vl", x.HasAVX512VL},
		{"bmi1", x.HasBMI1},
		{"bmi2", x.HasBMI2},
		{"fma", x.HasFMA},
		{"lzcnt", x.HasLZCNT},
		{"popcnt", x.HasPOPCNT},
		{"sse3", x.HasSSE3},
		{"sse41", x.HasSSE41},
		{"sse42", x.HasSSE42},
		{"ssse3", x.HasSSSE3},
	}
}
