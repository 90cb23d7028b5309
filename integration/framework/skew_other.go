//go:build !(linux && amd64)

package framework

import (
	"errors"
	"os/exec"
	"time"
)

// startSkewed starts cmd; only on Linux on amd64 can its clock be another than the machine's.
func startSkewed(cmd *exec.Cmd, skew time.Duration) error {
	if skew != 0 {
		return errors.New("a process with a skewed clock needs Linux on amd64")
	}
	return cmd.Start()
}
