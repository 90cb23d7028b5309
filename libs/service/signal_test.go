//go:build unix

package service_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/service"
)

// childVariable makes this program the child of TestSecondSignal.
const childVariable = "SHOAL_TEST_SIGNALLED"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		signalled()
	}
	os.Exit(m.Run())
}

// signalled sends itself one SIGTERM, and a second as soon as it has noticed the first.
func signalled() {
	ctx, _ := service.Signalled()
	self := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }
	self()
	<-ctx.Done()
	self()
	<-time.After(10 * time.Second) // the signal is on its way
	fmt.Println("the second signal was swallowed")
	os.Exit(1)
}

// TestSecondSignal defends that an operator can end a process that drains: the second signal counts from the moment at
// which the first is seen.
func TestSecondSignal(t *testing.T) {
	for range 20 { // either order was likely when two goroutines raced
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"=1")
		out, err := cmd.CombinedOutput()
		if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGTERM {
			t.Fatalf("ended with %v: %s", err, out)
		}
	}
}
