package sdk

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
)

// signature is an import's type as the table has it: parameters, then results.
type signature struct{ params, results []hostapi.ValType }

// The C headers declare exactly the functions that the host interface has in env, with its types.
func TestHeadersDeclareTheHostInterface(t *testing.T) {
	declared := declarations(t, "../../sdk/c/include/faasm/host_interface.h",
		regexp.MustCompile(`SHOAL_IMPORT\((\w+)\)\n(\w[\w ]*?) ?\*?(\w+)\((.*)\);`),
		func(m []string) (name, params, result string) {
			if m[1] != m[3] {
				t.Errorf("%s is imported as %s", m[3], m[1])
			}
			return m[1], m[4], m[2]
		})
	for _, row := range hostapi.New() {
		if _, ok := declared[row.Name]; row.Module == "env" && !ok {
			t.Errorf("%s is in the host interface, and in no header", row.Name)
		}
	}
	compareWithTable(t, declared)
}

// The Go SDK imports what there is, with its types.
func TestGoImportsAreInTheHostInterface(t *testing.T) {
	declared := declarations(t, "../../sdk/go/host_wasip1.go",
		regexp.MustCompile(`//go:wasmimport env (\w+)\nfunc \w+\((.*)\) ?(\w*)`),
		func(m []string) (name, params, result string) { return m[1], m[2], m[3] })
	compareWithTable(t, declared)
}

func compareWithTable(t *testing.T, declared map[string]signature) {
	t.Helper()
	table := hostapi.New()
	for name, have := range declared {
		row, ok := table.Lookup("env", name)
		if !ok {
			t.Errorf("%s is declared, and not in the host interface", name)
			continue
		}
		var params []hostapi.ValType
		for _, p := range row.Params {
			params = append(params, p.Type)
		}
		if !slices.Equal(have.params, params) || !slices.Equal(have.results, row.Results) {
			t.Errorf("%s: declared as %x -> %x, the host interface has %x -> %x", name, have.params, have.results, params, row.Results)
		}
	}
}

// declarations finds the imports that a file declares. In a function with two numbers in a row, as in "a, b uint32",
// each needs its own type.
func declarations(t *testing.T, path string, find *regexp.Regexp, parts func([]string) (name, params, result string)) map[string]signature {
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
			s.params = append(s.params, valType(param)...)
		}
		s.results = valType(result)
		found[name] = s
	}
	if len(found) == 0 || len(found) != strings.Count(string(data), "SHOAL_IMPORT(__")+strings.Count(string(data), "//go:wasmimport") {
		t.Fatalf("%s: understood %d of its imports", path, len(found))
	}
	return found
}

// valType returns what a C or Go declaration of a parameter or a result is in wasm32: nothing for void.
func valType(declaration string) []hostapi.ValType {
	switch d := strings.TrimSpace(declaration); {
	case d == "", d == "void":
		return nil
	case strings.Contains(d, "*"):
		return []hostapi.ValType{hostapi.I32}
	case strings.Contains(d, "int64"), strings.Contains(d, "long long"):
		return []hostapi.ValType{hostapi.I64}
	case strings.Contains(d, "double"), strings.Contains(d, "float64"):
		return []hostapi.ValType{hostapi.F64}
	}
	return []hostapi.ValType{hostapi.I32}
}
