//go:build !linux

package wasi

// threadCPU is not known outside Linux: workers run there alone.
func threadCPU() (int64, bool) { return 0, false }
