package service

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// Memory returns how much memory this process may have: the machine's, or less where a cgroup that it is in limits it,
// as in a container or a systemd unit. It is 0 where that can't be read, as on anything but Linux.
func Memory() faas.Size { return memory(os.DirFS("/")) }

// memory is Memory in the file system root.
func memory(root fs.FS) faas.Size {
	least := machineMemory(root)
	for _, file := range limitFiles(root) {
		b, err := fs.ReadFile(root, file)
		if err != nil {
			continue // the cgroup is not visible from here, or it is the topmost
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 { // not "max"
			least = min(least, faas.Size(n))
		}
	}
	return least
}

// machineMemory returns the memory of the machine, 0 where it can't be read.
func machineMemory(root fs.FS) faas.Size {
	b, err := fs.ReadFile(root, "proc/meminfo") // MemTotal:  24576000 kB
	if err != nil {
		return 0
	}
	rest, ok := strings.CutPrefix(string(b), "MemTotal:")
	if f := strings.Fields(rest); ok && len(f) > 1 {
		if kb, err := strconv.ParseInt(f[0], 10, 64); err == nil {
			return faas.Size(kb) * faas.KiB
		}
	}
	return 0
}

// limitFiles returns where the limits of this process's cgroups may be: of its own and of all above it, which a container
// sees only in part, and of the topmost that is visible.
func limitFiles(root fs.FS) []string {
	const v2, v1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"
	files := []string{v2 + "/memory.max", v1 + "/memory.limit_in_bytes"}
	b, err := fs.ReadFile(root, "proc/self/cgroup") // 0::/user.slice/a.scope, or 4:memory:/docker/b
	if err != nil {
		return files
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		f := strings.SplitN(lines.Text(), ":", 3)
		if len(f) < 3 {
			continue
		}
		dir, name := v2, "memory.max"
		switch {
		case f[0] == "0" && f[1] == "":
		case strings.Contains(","+f[1]+",", ",memory,"):
			dir, name = v1, "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + f[2]); group != "/"; group = path.Dir(group) {
			files = append(files, path.Join(dir, group, name))
		}
	}
	return files
}
