package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func probeRoot() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("the effective user is %d, not 0", uid)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			return fmt.Errorf("root without %s", c.name)
		}
	}
	return nil
}

func probeSwap() error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	const least = 16 << 20
	if free := info.Freeswap * uint64(info.Unit); free < least {
		return fmt.Errorf("%d MiB of swap space are free", free>>20)
	}
	return nil
}

// probeNetns starts a child in a namespace of its own: the test process itself never leaves its namespace.
func probeNetns() error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("clone with CLONE_NEWNET: %w", err)
	}
	return nil
}

func probeCgroup() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range cpuGroups(string(mounts), string(own)) {
		err := g.try()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if errs == nil {
		return errors.New("no cpu controller is mounted")
	}
	return errors.Join(errs...)
}

// cpuGroup is this process's own group in a hierarchy that has, or may have, the cpu controller.
type cpuGroup struct {
	dir string
	v2  bool
}

// cpuGroups finds the hierarchies for CPU limits in the text of /proc/self/mountinfo and /proc/self/cgroup, v1 first.
func cpuGroups(mountinfo, own string) []cpuGroup {
	paths := map[string]string{} // controller ("" for v2) → path of our group
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			paths[c] = f[2]
		}
	}
	var v1, v2 []cpuGroup
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		// In a container the mount shows a part of the hierarchy; our path is told from its real root.
		dir := func(path string) string {
			if rel, err := filepath.Rel(l[3], path); err == nil && !strings.HasPrefix(rel, "..") {
				return filepath.Join(l[4], rel)
			}
			return l[4]
		}
		switch r[0] {
		case "cgroup":
			for opt := range strings.SplitSeq(r[2], ",") {
				if opt == "cpu" {
					v1 = append(v1, cpuGroup{dir: dir(paths["cpu"])})
				}
			}
		case "cgroup2":
			v2 = append(v2, cpuGroup{dir: dir(paths[""]), v2: true})
		}
	}
	return append(v1, v2...)
}

// try makes a child group with a CPU limit, puts a process in, and removes it.
func (g cpuGroup) try() (err error) {
	procs, limit, value := "tasks", "cpu.cfs_quota_us", "50000"
	if g.v2 {
		procs, limit, value = "cgroup.procs", "cpu.max", "50000 100000"
		have, err := os.ReadFile(filepath.Join(g.dir, "cgroup.controllers"))
		if err != nil {
			return err
		}
		if !strings.Contains(" "+strings.TrimSpace(string(have))+" ", " cpu ") {
			return fmt.Errorf("%s has no cpu controller", g.dir)
		}
	}
	child := filepath.Join(g.dir, "shoal-probe-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(child, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(child)) }()
	if g.v2 {
		// A child in threaded mode shares our memory controller, so our own group may keep its processes.
		if err := set(child, "cgroup.type", "threaded"); err != nil {
			return err
		}
		if err := set(g.dir, "cgroup.subtree_control", "+cpu"); err != nil {
			return err
		}
	}
	if err := set(child, limit, value); err != nil {
		return err
	}
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = set(child, procs, strconv.Itoa(cmd.Process.Pid))
	return errors.Join(err, stdin.Close(), cmd.Wait())
}

func set(dir, file, value string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(value), 0)
}
