package sdk

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
)

// signature is an import's type as the table has it: parameters, then results.
type signature struct{ params, results []hostapi.ValType }

// faasm are the functions that Faasm has for its functions, and POSIX's that it has as imports, with their types: a letter for
// each parameter, i for i32 and I for i64, then the result's. The host interface need not have them all.
var faasm = map[string]string{
	"__faasm_read_input": "ii>i", "__faasm_write_output": "ii>", "__faasm_backtrace": "i>",

	"__faasm_chain_name": "iii>i", "__faasm_chain_ptr": "iii>i", "__faasm_chain_py": "iii>i",
	"__faasm_await_call": "i>i", "__faasm_await_call_output": "iii>i",

	"__faasm_read_state": "iii>i", "__faasm_read_state_ptr": "ii>i", "__faasm_read_state_offset": "iiiii>",
	"__faasm_read_state_offset_ptr": "iiii>i", "__faasm_write_state": "iii>", "__faasm_write_state_offset": "iiiii>",
	"__faasm_write_state_from_file": "ii>i", "__faasm_append_state": "iii>", "__faasm_read_appended_state": "iiii>",
	"__faasm_clear_appended_state": "i>", "__faasm_flag_state_dirty": "ii>", "__faasm_flag_state_offset_dirty": "iiii>",
	"__faasm_push_state": "i>", "__faasm_push_state_partial": "i>", "__faasm_push_state_partial_mask": "ii>",
	"__faasm_pull_state": "ii>", "__faasm_lock_state_read": "i>", "__faasm_unlock_state_read": "i>",
	"__faasm_lock_state_write": "i>", "__faasm_unlock_state_write": "i>",
	"__faasm_lock_state_global": "i>", "__faasm_unlock_state_global": "i>", // of 0.2.4

	"__faasm_get_py_user": "ii>", "__faasm_get_py_func": "ii>", "__faasm_get_py_entry": "ii>", "__faasm_conf_flag": "i>i",
	"__faasm_sm_reduce": "iiii>", "__faasm_sm_critical_local": ">", "__faasm_sm_critical_local_end": ">",
	"__faasm_migrate_point": "ii>", "__faasm_host_interface_test": "i>",

	"mmap": "iiiiiI>i", "munmap": "ii>i", "dlopen": "ii>i", "dlsym": "ii>i", "dlclose": "i>i", "dlerror": ">i", "dup": "i>i",
	"getpid": ">i", "getppid": ">i", "getuid": ">i", "geteuid": ">i", "getgid": ">i", "getegid": ">i",
	"getpwuid": "i>i", "getpwnam": "i>i", "waitpid": "iii>i",
}

// The SDKs import Faasm's functions and nothing else, with Faasm's types; and what the host interface has of them has those.
func TestImportsAreFaasms(t *testing.T) {
	c := regexp.MustCompile(`SHOAL_IMPORT\((\w+)\)\s(\w[\w ]*?) ?\*?(\w+)\((.*)\);`)
	golang := regexp.MustCompile(`//go:wasmimport env (\w+)\nfunc \w+\((.*)\) ?(\w*)`)
	fromC := func(m []string) (name, params, result string) {
		if m[1] != m[3] {
			t.Errorf("%s is imported as %s", m[3], m[1])
		}
		if strings.Contains(m[0], "*"+m[3]+"(") {
			m[2] += "*"
		}
		return m[1], m[4], m[2]
	}
	inOrder := func(m []string) (name, params, result string) { return m[1], m[2], m[3] }
	for _, source := range []struct {
		files string
		find  *regexp.Regexp
		parts func([]string) (name, params, result string)
		mark  string // of an import: as many as were understood
	}{
		{"c/include/faasm/host_interface.h", c, fromC, "SHOAL_IMPORT(__"},
		{"c/posix/*.h", c, fromC, "SHOAL_IMPORT("},
		{"c/posix/sys/*.h", c, fromC, "SHOAL_IMPORT("},
		{"go/host_wasip1.go", golang, inOrder, "//go:wasmimport env"},
		{"go/chain/chain_wasip1.go", golang, inOrder, "//go:wasmimport env"},
		{"go/state/state_wasip1.go", golang, inOrder, "//go:wasmimport env"},
		{"rust/src/host.rs", regexp.MustCompile(`pub fn (__faasm\w+)\((.*)\)(?: -> (\w+))?;`), inOrder, "pub fn __"},
		{"assemblyscript/assembly/env.ts", regexp.MustCompile(`@external\("env", "(\w+)"\)\nexport declare function \w+\((.*)\): (\w+);`), inOrder, "@external("},
	} {
		paths, err := filepath.Glob(filepath.Join(sdkDir, source.files))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no files, %v", source.files, err)
		}
		for _, path := range paths {
			compare(t, path, declarations(t, path, source.find, source.parts, source.mark))
		}
	}
}

// leftBehind is what Faasm's own headers leave behind as an import, and ours do not.
const leftBehind = "__faasm_memory_layout_protection"

// Every function of Faasm's in the host interface is in the C headers.
func TestHeadersDeclareTheHostInterface(t *testing.T) {
	for _, row := range hostapi.New() {
		if _, ok := faasm[row.Name]; row.Module == "env" && strings.HasPrefix(row.Name, "__faasm_") && row.Name != leftBehind && !ok {
			t.Errorf("%s is in the host interface, and in no header", row.Name)
		}
	}
	header, err := os.ReadFile(filepath.Join(sdkDir, "c/include/faasm/host_interface.h"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range faasm {
		if strings.HasPrefix(name, "__") && !strings.Contains(string(header), "SHOAL_IMPORT("+name+")") {
			t.Errorf("%s is not in host_interface.h", name)
		}
	}
}

func compare(t *testing.T, path string, declared map[string]signature) {
	t.Helper()
	table := hostapi.New()
	for name, have := range declared {
		if want, ok := faasm[name]; !ok || have.String() != want {
			t.Errorf("%s: %s is declared as %s, and Faasm has %q", path, name, have, want)
		}
		row, ok := table.Lookup("env", name)
		if !ok {
			continue
		}
		var params []hostapi.ValType
		for _, p := range row.Params {
			params = append(params, p.Type)
		}
		if !slices.Equal(have.params, params) || !slices.Equal(have.results, row.Results) {
			t.Errorf("%s: %s is declared as %s, the host interface has %s", path, name, have, signature{params, row.Results})
		}
	}
}

// String returns the signature as faasm has them.
func (s signature) String() string {
	letters := func(types []hostapi.ValType) (text string) {
		for _, v := range types {
			text += map[hostapi.ValType]string{hostapi.I32: "i", hostapi.I64: "I", hostapi.F32: "f", hostapi.F64: "F"}[v]
		}
		return text
	}
	return letters(s.params) + ">" + letters(s.results)
}

// declarations finds the imports that a file declares. In a function with two numbers in a row, as in "a, b uint32",
// each needs its own type.
func declarations(t *testing.T, path string, find *regexp.Regexp, parts func([]string) (name, params, result string), mark string) map[string]signature {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]signature{}
	for _, m := range find.FindAllStringSubmatch(string(data), -1) {
		name, params, result := parts(m)
		var s signature
		for param := range strings.SplitSeq(params, ",") {
			if param = strings.TrimSpace(param); param != "" { // a comma may come last
				s.params = append(s.params, valType(param)...)
			}
		}
		s.results = valType(result)
		found[name] = s
	}
	if marked := strings.Count(string(data), mark); len(found) == 0 || len(found) != marked {
		t.Fatalf("%s: understood %d of its %d imports", path, len(found), marked)
	}
	return found
}

// valType returns what a declaration of a parameter or a result, in any of the languages, is in wasm32: nothing for void.
func valType(declaration string) []hostapi.ValType {
	switch d := strings.TrimSpace(declaration); {
	case d == "", d == "void":
		return nil
	case strings.Contains(d, "*"):
		return []hostapi.ValType{hostapi.I32}
	case strings.Contains(d, "int64"), strings.Contains(d, "long long"), strings.Contains(d, "off_t"):
		return []hostapi.ValType{hostapi.I64}
	case strings.Contains(d, "double"), strings.Contains(d, "float64"):
		return []hostapi.ValType{hostapi.F64}
	}
	return []hostapi.ValType{hostapi.I32}
}
