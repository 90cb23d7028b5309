package hostapi

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
)

// traced runs rows of the table as an engine does and returns the trace.
func traced(t *testing.T, mem guest.Memory, calls ...func(tr *Trace)) string {
	t.Helper()
	var tr Trace
	for _, f := range calls {
		f(&tr)
	}
	return regexp.MustCompile(` \d+µs`).ReplaceAllString(string(tr.Text()), " Nµs")
}

func TestTrace(t *testing.T) {
	mem := make(guest.Memory, 4096)
	copy(mem[100:], "data/in\n.txt")
	run := func(name string, word uint64, err error, args ...uint64) func(tr *Trace) {
		return func(tr *Trace) {
			for i, r := range New() {
				if r.Name == name {
					tr.Enter(&New()[i], mem, raw(args))
					tr.Leave(&New()[i], word, err)
				}
			}
		}
	}
	got := traced(t, mem,
		run("path_open", 44, nil, 3, 1, 100, 12, 0, 2, 1<<63, 0, 4000),
		run("path_unlink_file", 21, nil, 3, 0xfffffff0, 12),
		run("fd_prestat_dir_name", 0, nil, 3, 100, 1),
		run("dlopen", 1, nil, 100, 0),
		run("dlopen", 0, nil, 4096, 0),
		run("__sbrk", 0x20000, nil, 0xffffffff),
		run("__faasm_write_output", 0, nil, 0x10000, 5),
		run("proc_exit", 0, errors.New("exit 1\nand more"), 1))
	want := `==> path_open(fd=3, dirflags=1, path="data/in\n.txt", path_len=12, oflags=0, fs_rights_base=2, fs_rights_inheriting=-9223372036854775808, fdflags=0, opened_fd=0xfa0)
<== path_open ENOENT Nµs
==> path_unlink_file(fd=3, path=0xfffffff0, path_len=12)
<== path_unlink_file EFAULT Nµs
==> fd_prestat_dir_name(fd=3, path=0x64, path_len=1)
<== fd_prestat_dir_name ESUCCESS Nµs
==> dlopen(path="data/in\n.txt", flags=0)
<== dlopen 1 Nµs
==> dlopen(path=0x1000, flags=0)
<== dlopen 0 Nµs
==> __sbrk(increment=-1)
<== __sbrk 0x20000 Nµs
==> __faasm_write_output(ptr=0x10000, len=5)
<== __faasm_write_output Nµs
==> proc_exit(rval=1)
<== proc_exit ended the guest: exit 1 and more Nµs
`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestTraceKeepsTheLast(t *testing.T) {
	var tr Trace
	row, _ := New().Lookup(preview1, "sched_yield")
	n := 0
	for ; n < 50000; n++ {
		tr.Enter(row, nil, nil)
		tr.Leave(row, 0, nil)
	}
	text := string(tr.Text())
	head, rest, _ := strings.Cut(text, "\n")
	if len(rest) > faas.MaxHostTrace || len(rest) < faas.MaxHostTrace-100 || cap(tr.buf) > 4*faas.MaxHostTrace {
		t.Errorf("%d bytes of %d", len(rest), cap(tr.buf))
	}
	if !regexp.MustCompile(`^… \d+ lines before these dropped$`).MatchString(head) || !regexp.MustCompile(`\A(==> sched_yield\(\)|<== sched_yield ESUCCESS \d+µs)\n`).MatchString(rest) {
		t.Errorf("begins with %.200s", text)
	}
}
