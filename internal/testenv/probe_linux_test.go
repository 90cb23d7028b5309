package testenv

import (
	"slices"
	"testing"
)

func TestCPUGroups(t *testing.T) {
	for _, c := range []struct {
		name, mounts, own string
		want              []cpuGroup
	}{
		{name: "none", mounts: "25 1 0:1 / / rw - ext4 /dev/sda rw\n", own: "0::/\n"},
		{
			name: "hybrid",
			mounts: "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" +
				"31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			own:  "4:cpu,cpuacct:/ci/job\n3:memory:/ci\n0::/init\n",
			want: []cpuGroup{{dir: "/sys/fs/cgroup/cpu,cpuacct/ci/job"}, {dir: "/sys/fs/cgroup/unified/init", v2: true}},
		},
		{
			name:   "container: the mount shows our own group as its root",
			mounts: "31 25 0:27 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			own:    "4:cpu:/docker/abc\n",
			want:   []cpuGroup{{dir: "/sys/fs/cgroup/cpu"}},
		},
		{
			name:   "the mount's root is elsewhere",
			mounts: "31 25 0:27 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			own:    "4:cpu:/\n",
			want:   []cpuGroup{{dir: "/sys/fs/cgroup/cpu"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cpuGroups(c.mounts, c.own); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
