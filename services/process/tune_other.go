//go:build !linux

package process

// Tune does nothing here.
func Tune() {}
