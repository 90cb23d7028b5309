package service

import (
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/shoal-run/shoal/bus/faas"
)

func TestMemory(t *testing.T) {
	const machine = "MemTotal:       16384 kB\nMemFree:  12 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  faas.Size
	}{
		"no files":       {nil, 0},
		"nonsense":       {map[string]string{"proc/meminfo": "MemTotal: lots kB\n", "sys/fs/cgroup/memory.max": "5000\n"}, 0},
		"no cgroups":     {map[string]string{"proc/meminfo": machine}, 16 * faas.MiB},
		"v2, container":  {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4194304\n"}, 4 * faas.MiB},
		"v2, unlimited":  {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 16 * faas.MiB},
		"more than real": {map[string]string{"proc/meminfo": machine, "sys/fs/cgroup/memory.max": "9223372036854771712\n"}, 16 * faas.MiB},
		"v2, own": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/a.service\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n", "sys/fs/cgroup/system.slice/a.service/memory.max": "2097152\n",
		}, 2 * faas.MiB},
		"v2, above": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/a.service\n",
			"sys/fs/cgroup/system.slice/memory.max": "1048576\n", "sys/fs/cgroup/system.slice/a.service/memory.max": "2097152\n",
		}, faas.MiB},
		"v2, elsewhere": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/memory.max": "2097152\n",
		}, 2 * faas.MiB},
		"v1, container": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "5:cpu,cpuacct:/docker/b\n4:memory:/docker/b\n0::/docker/b\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "3145728\n",
		}, 3 * faas.MiB},
		"v1, own": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:hugetlb,memory:/b\n",
			"sys/fs/cgroup/memory/b/memory.limit_in_bytes": "3145728\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 3 * faas.MiB},
	} {
		fs := fstest.MapFS{}
		for path, text := range c.files {
			fs[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memory(fs); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := Memory(); runtime.GOOS == "linux" && got <= 0 {
		t.Errorf("this machine has %s", got)
	}
}
