package hostapi

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// signatures is the host interface by the texts it follows: preview1's witx lowered to WebAssembly, and Faasm's names.
const signatures = `
env.__faasm_chain_name                         i32 i32 i32 -> i32
env.__faasm_chain_ptr                          i32 i32 i32 -> i32
env.__faasm_await_call                         i32 -> i32
env.__faasm_await_call_output                  i32 i32 i32 -> i32
env.__faasm_read_state                         i32 i32 i32 -> i32
env.__faasm_read_state_ptr                     i32 i32 -> i32
env.__faasm_read_state_offset                  i32 i32 i32 i32 i32
env.__faasm_read_state_offset_ptr              i32 i32 i32 i32 -> i32
env.__faasm_write_state                        i32 i32 i32
env.__faasm_write_state_offset                 i32 i32 i32 i32 i32
env.__faasm_write_state_from_file              i32 i32 -> i32
env.__faasm_append_state                       i32 i32 i32
env.__faasm_read_appended_state                i32 i32 i32 i32
env.__faasm_clear_appended_state               i32
env.__faasm_flag_state_dirty                   i32 i32
env.__faasm_flag_state_offset_dirty            i32 i32 i32 i32
env.__faasm_push_state                         i32
env.__faasm_push_state_partial                 i32
env.__faasm_push_state_partial_mask            i32 i32
env.__faasm_pull_state                         i32 i32
env.__faasm_lock_state_read                    i32
env.__faasm_unlock_state_read                  i32
env.__faasm_lock_state_write                   i32
env.__faasm_unlock_state_write                 i32
env.__faasm_lock_state_global                  i32
env.__faasm_unlock_state_global                i32
env.__sbrk                                     i32 -> i32
env.sbrk                                       i32 -> i32
env.brk                                        i32 -> i32
env.mmap                                       i32 i32 i32 i32 i32 i64 -> i32
env.munmap                                     i32 i32 -> i32
env.__faasm_memory_layout_protection
env.dlopen                                     i32 i32 -> i32
env.dlsym                                      i32 i32 -> i32
env.dlclose                                    i32 -> i32
env.dlerror                                    -> i32
env.puts                                       i32 -> i32
env.dup                                        i32 -> i32
env.__wasi_fd_dup                              i32 i32 -> i32
env.bzero                                      i32 i32
env.explicit_bzero                             i32 i32
env.__faasm_conf_flag                          i32 -> i32
env.sysconf                                    i32 -> i32
env.confstr                                    i32 i32 i32 -> i32
env.uname                                      i32 -> i32
env.gethostname                                i32 i32 -> i32
env.getrlimit                                  i32 i32 -> i32
env.getpwuid                                   i32 -> i32
env.getpwnam                                   i32 -> i32
env.getuid                                     -> i32
env.geteuid                                    -> i32
env.getgid                                     -> i32
env.getegid                                    -> i32
env.getpid                                     -> i32
env.getppid                                    -> i32
env.gettid                                     -> i32
env.getgrgid                                   i32 -> i32
env.getgrnam                                   i32 -> i32
env.getgrent                                   -> i32
env.setgrent
env.endgrent
env.umask                                      i32 -> i32
env.signal                                     i32 i32 -> i32
env.waitpid                                    i32 i32 i32 -> i32
env.ioctl                                      i32 i32 i32 -> i32
env.exit                                       i32
env._Exit                                      i32
env.abort
env.__faasm_migrate_point                      i32 i32
env.__faasm_sm_reduce                          i32 i32 i32 i32
env.__faasm_sm_critical_local
env.__faasm_sm_critical_local_end
env.pthread_self                               -> i32
env.pthread_mutex_lock                         i32 -> i32
env.pthread_mutex_trylock                      i32 -> i32
env.pthread_mutex_unlock                       i32 -> i32
env.pthread_mutex_destroy                      i32 -> i32
env.pthread_mutex_init                         i32 i32 -> i32
env.pthread_mutexattr_init                     i32 -> i32
env.pthread_mutexattr_destroy                  i32 -> i32
env.pthread_cond_init                          i32 i32 -> i32
env.pthread_cond_signal                        i32 -> i32
env.pthread_cond_broadcast                     i32 -> i32
env.pthread_cond_destroy                       i32 -> i32
env.__faasm_backtrace                          i32
env.__faasm_read_input                         i32 i32 -> i32
env.__faasm_write_output                       i32 i32
wasi_snapshot_preview1.args_get                i32 i32 -> i32
wasi_snapshot_preview1.args_sizes_get          i32 i32 -> i32
wasi_snapshot_preview1.clock_res_get           i32 i32 -> i32
wasi_snapshot_preview1.clock_time_get          i32 i64 i32 -> i32
wasi_snapshot_preview1.environ_get             i32 i32 -> i32
wasi_snapshot_preview1.environ_sizes_get       i32 i32 -> i32
wasi_snapshot_preview1.fd_advise               i32 i64 i64 i32 -> i32
wasi_snapshot_preview1.fd_allocate             i32 i64 i64 -> i32
wasi_snapshot_preview1.fd_close                i32 -> i32
wasi_snapshot_preview1.fd_datasync             i32 -> i32
wasi_snapshot_preview1.fd_fdstat_get           i32 i32 -> i32
wasi_snapshot_preview1.fd_fdstat_set_flags     i32 i32 -> i32
wasi_snapshot_preview1.fd_fdstat_set_rights    i32 i64 i64 -> i32
wasi_snapshot_preview1.fd_filestat_get         i32 i32 -> i32
wasi_snapshot_preview1.fd_filestat_set_size    i32 i64 -> i32
wasi_snapshot_preview1.fd_filestat_set_times   i32 i64 i64 i32 -> i32
wasi_snapshot_preview1.fd_pread                i32 i32 i32 i64 i32 -> i32
wasi_snapshot_preview1.fd_prestat_dir_name     i32 i32 i32 -> i32
wasi_snapshot_preview1.fd_prestat_get          i32 i32 -> i32
wasi_snapshot_preview1.fd_pwrite               i32 i32 i32 i64 i32 -> i32
wasi_snapshot_preview1.fd_read                 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.fd_readdir              i32 i32 i32 i64 i32 -> i32
wasi_snapshot_preview1.fd_renumber             i32 i32 -> i32
wasi_snapshot_preview1.fd_seek                 i32 i64 i32 i32 -> i32
wasi_snapshot_preview1.fd_sync                 i32 -> i32
wasi_snapshot_preview1.fd_tell                 i32 i32 -> i32
wasi_snapshot_preview1.fd_write                i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_create_directory   i32 i32 i32 -> i32
wasi_snapshot_preview1.path_filestat_get       i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_filestat_set_times i32 i32 i32 i32 i64 i64 i32 -> i32
wasi_snapshot_preview1.path_link               i32 i32 i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_open               i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32
wasi_snapshot_preview1.path_readlink           i32 i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_remove_directory   i32 i32 i32 -> i32
wasi_snapshot_preview1.path_rename             i32 i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_symlink            i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.path_unlink_file        i32 i32 i32 -> i32
wasi_snapshot_preview1.poll_oneoff             i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.proc_exit               i32
wasi_snapshot_preview1.proc_raise              i32 -> i32
wasi_snapshot_preview1.random_get              i32 i32 -> i32
wasi_snapshot_preview1.sched_yield             -> i32
wasi_snapshot_preview1.sock_accept             i32 i32 i32 -> i32
wasi_snapshot_preview1.sock_recv               i32 i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.sock_send               i32 i32 i32 i32 i32 -> i32
wasi_snapshot_preview1.sock_shutdown           i32 i32 -> i32
`

func TestSignatures(t *testing.T) {
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(signatures)) {
		name, types, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[name] = strings.TrimSpace(types)
	}
	for _, r := range New() {
		var parts []string
		for _, p := range r.Params {
			parts = append(parts, p.Type.String())
		}
		for _, v := range r.Results {
			parts = append(parts, "->", v.String())
		}
		name := r.Module + "." + r.Name
		if got := strings.Join(parts, " "); got != want[name] {
			t.Errorf("%s has %q, want %q", name, got, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

func TestRowsAreComplete(t *testing.T) {
	sections := map[string]bool{}
	for _, g := range groups {
		sections[g.name] = true
	}
	seen := map[string]bool{}
	for _, r := range New() {
		name := r.Module + "." + r.Name
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		switch {
		case (r.Func == nil) != (r.Support == Unsupported):
			t.Errorf("%s has no function", name)
		case !sections[r.Group]:
			t.Errorf("%s is in group %q, which the page does not have", name, r.Group)
		case !strings.HasSuffix(r.Doc, ".") || strings.ContainsAny(r.Doc, "\n|"):
			t.Errorf("%s: the doc %q is not one line that ends in a stop", name, r.Doc)
		case (r.Support == Full) != (r.Limitation == ""):
			t.Errorf("%s has support %s and the limitation %q", name, r.Support, r.Limitation)
		case strings.HasSuffix(r.Limitation, "."):
			t.Errorf("%s: the limitation ends in a stop, which the page adds", name)
		case len(r.Results) > 1:
			t.Errorf("%s has %d results", name, len(r.Results))
		}
		switch r.Support {
		case Full, Partial, Errno, Ignored, Unsupported:
		default:
			t.Errorf("%s has support %q", name, r.Support)
		}
		params := map[string]bool{}
		for _, p := range r.Params {
			if p.Name == "" || params[p.Name] {
				t.Errorf("%s: parameter %q is empty or there twice", name, p.Name)
			}
			params[p.Name] = true
		}
	}
}

func TestLookup(t *testing.T) {
	table := New()
	if r, ok := table.Lookup("env", "__faasm_read_input"); !ok || r.Name != "__faasm_read_input" {
		t.Error("__faasm_read_input is not found")
	}
	if _, ok := table.Lookup("wasi_snapshot_preview1", "__faasm_read_input"); ok {
		t.Error("a name is found in another module")
	}
}

func TestPageIsCurrent(t *testing.T) {
	page, err := os.ReadFile("../../docs/host-interface.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, New().Markdown()) {
		t.Error("docs/host-interface.md differs from the table (run go generate ./libs/hostapi)")
	}
	if !bytes.Equal(New().Markdown(), New().Markdown()) {
		t.Error("the page changes from one generation to the next")
	}
}
