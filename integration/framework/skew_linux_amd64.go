package framework

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startSkewed starts cmd with a clock that is ahead by skew, which is 0 or whole seconds. Go programs read the clock
// through the vDSO, a page of the kernel's code that each process has a copy of when it is written to: the new process is
// held before its first instruction while its clock_gettime is replaced. Everything in the process sees the skewed wall
// clock, and its monotonic clock is right; no other process is touched, and the program is the one that users run.
func startSkewed(cmd *exec.Cmd, skew time.Duration) error {
	if skew == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return fmt.Errorf("wait for the start: %w", err)
	}
	err := patchClock(pid, int32(skew/time.Second))
	if detach := syscall.PtraceDetach(pid); err == nil {
		err = detach
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("skew the clock: %w", err)
	}
	return nil
}

// patchClock replaces clock_gettime in the vDSO of a process that the calling thread has stopped.
func patchClock(pid int, seconds int32) error {
	base, err := vdsoBase(pid)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	image := make([]byte, 2*os.Getpagesize())
	n, err := mem.ReadAt(image, int64(base))
	if n < os.Getpagesize() {
		return fmt.Errorf("read the vDSO: %w", err)
	}
	lib, err := elf.NewFile(bytes.NewReader(image[:n]))
	if err != nil {
		return fmt.Errorf("vDSO: %w", err)
	}
	symbols, err := lib.DynamicSymbols()
	if err != nil {
		return fmt.Errorf("vDSO: %w", err)
	}
	patched := 0
	for _, s := range symbols {
		switch s.Name {
		case "clock_gettime", "__vdso_clock_gettime":
			if _, err := mem.WriteAt(clockGettime(seconds), int64(base+s.Value)); err != nil {
				return fmt.Errorf("write the vDSO: %w", err)
			}
			patched++
		}
	}
	if patched == 0 {
		return errors.New("the vDSO has no clock_gettime")
	}
	return nil
}

// clockGettime is a function for the System V ABI: the system call, and then seconds added to a CLOCK_REALTIME.
func clockGettime(seconds int32) []byte {
	code := []byte{
		0xb8, 0xe4, 0x00, 0x00, 0x00, // mov $SYS_clock_gettime, %eax
		0x0f, 0x05, // syscall
		0x85, 0xff, // test %edi, %edi
		0x75, 0x07, // jnz over the addition: another clock
		0x48, 0x81, 0x06, // addq $seconds, (%rsi)
	}
	code = binary.LittleEndian.AppendUint32(code, uint32(seconds))
	return append(code, 0xc3) // ret
}

// vdsoBase returns where the vDSO is mapped, as the kernel tells the process.
func vdsoBase(pid int) (uint64, error) {
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	const sysinfoEHDR = 33
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) == sysinfoEHDR {
			return binary.LittleEndian.Uint64(auxv[8:]), nil
		}
	}
	return 0, errors.New("the process has no vDSO")
}
