//go:build !amd64 && !arm64

package artefact

// cpuFeatures knows nothing of this architecture.
func cpuFeatures() []feature { return nil }
