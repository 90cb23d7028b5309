package sdk

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

// The headers compile without a warning in every language they claim, and do what they say: the imports are defined
// by testdata/host.h, or by shoal/test.h, so the host's compiler will do.
func TestHeaders(t *testing.T) {
	for _, tc := range []struct {
		name     string
		compiler string
		flags    []string
		source   string
	}{
		{"C99", "gcc", []string{"-std=c99", "-x", "c"}, "headers_test.c"},
		{"C17", "gcc", []string{"-std=c17", "-x", "c"}, "headers_test.c"},
		{"C++11", "g++", []string{"-std=c++11"}, "headers_test.cpp"},
		{"C++17", "g++", []string{"-std=c++17"}, "headers_test.cpp"},
		{"worker in C", "gcc", []string{"-std=c11", "-x", "c"}, "worker_test.c"},
		{"worker in C++", "g++", []string{"-std=c++17"}, "worker_test.cpp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "test")
			args := append([]string{"-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-Ic/include", "-o", program}, tc.flags...)
			args = append(args, filepath.Join("testdata", tc.source))
			if out, err := exec.Command(tc.compiler, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s %v: %v\n%s", tc.compiler, args, err, out)
			}
			out, err := exec.Command(program).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !bytes.HasSuffix(out, []byte("ok\n")) {
				t.Fatalf("the test program ended early:\n%s", out)
			}
		})
	}
}
