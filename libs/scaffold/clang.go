package scaffold

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is the platform, by the name that all releases of clang from 14 on know.
const target = "--target=wasm32-wasi"

// clangVersions are tried in this order; 19 is the one that the tests use. "" is clang without a number.
var clangVersions = [...]string{"-19", "", "-22", "-21", "-20", "-18", "-17", "-16", "-15", "-14"}

// clangPackages maps the pieces of the toolchain to the Debian packages that have them.
var clangPackages = map[string]string{
	"clang":     "clang-19",
	"wasm-ld":   "lld-19",
	"wasi-libc": "wasi-libc",
	"builtins":  "libclang-rt-19-dev-wasm32",
	"libc++":    "libc++-19-dev-wasm32",
	"libc++abi": "libc++abi-19-dev-wasm32",
}

const clangFix = "elsewhere: install wasi-sdk and set WASI_SDK_PATH to it"

// stackSize of a C or C++ function in bytes. The stack comes first in memory, so that to overflow it is a trap, not
// damage to the data above.
const stackSize = 1 << 20

// clangCommand is the compiler's command for the sources of the project in dir.
func (p Project) clangCommand(ctx context.Context, dir, output string) (command, error) {
	sources, err := p.sources(dir)
	if err != nil {
		return command{}, err
	}
	include := filepath.Join(p.sdk(), "include")
	if _, err := os.Stat(filepath.Join(dir, include, "shoal.h")); err != nil {
		return command{}, fmt.Errorf("build %s: the SDK is not in %s (`shoal new` puts it there; sdk: in %s may name another folder): %w",
			p.Name, include, ConfigName, err)
	}
	compiler, err := findClang(ctx, p.Lang)
	if err != nil {
		return command{}, err
	}
	args := []string{target, "-O2", "-Wall", "-I", include, "-isystem", filepath.Join(p.sdk(), "posix"), "-D_WASI_EMULATED_PROCESS_CLOCKS"}
	if p.Lang == "cpp" {
		args = append(args, "-std=c++17", "-fno-exceptions")
		exceptions := filepath.Join(p.sdk(), "src", "exceptions.cpp")
		if _, err := os.Stat(filepath.Join(dir, exceptions)); err == nil { // an older SDK has it not
			sources = append(sources, exceptions)
		}
	}
	if p.kind() == Reactor {
		args = append(args, "-mexec-model=reactor")
	}
	// The host hands a chained call's output over in memory from malloc.
	args = append(args, fmt.Sprintf("-Wl,--strip-debug,--stack-first,-z,stack-size=%d", stackSize),
		"-Wl,--export-if-defined=malloc,--export-if-defined=free", "-lwasi-emulated-process-clocks")
	args = append(append(args, sources...), p.Flags...)
	return command{name: filepath.Base(compiler), path: compiler, args: append(args, "-o", output)}, nil
}

// sources returns the source files of the project: those in its folder and in src, by their paths relative to dir, so
// that what __FILE__ says does not depend on where the folder is.
func (p Project) sources(dir string) ([]string, error) {
	extensions := []string{".c"}
	if p.Lang == "cpp" {
		extensions = []string{".cpp", ".cc", ".cxx"}
	}
	var sources []string
	for _, folder := range []string{".", "src"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			continue // there need not be an src, and Load has read dir
		}
		for _, e := range entries {
			if !e.IsDir() && slices.Contains(extensions, filepath.Ext(e.Name())) {
				sources = append(sources, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("build %s: no source files: %s and its src have none that end in %s",
			p.Name, dir, strings.Join(extensions, ", "))
	}
	return sources, nil
}

// findClang returns the path of a compiler that has all that the language needs. Otherwise the error is a *MissingError
// with what the best one lacks.
func findClang(ctx context.Context, lang string) (string, error) {
	driver := "clang"
	if lang == "cpp" {
		driver = "clang++"
	}
	var candidates []string
	if sdk := os.Getenv("WASI_SDK_PATH"); sdk != "" {
		candidates = append(candidates, filepath.Join(sdk, "bin", driver))
	}
	for _, v := range clangVersions {
		candidates = append(candidates, driver+v)
	}
	least := []string{"clang", "wasm-ld", "wasi-libc", "builtins"}
	if lang == "cpp" {
		least = append(least, "libc++", "libc++abi")
	}
	for _, name := range candidates {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		missing := lacks(ctx, path, lang)
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
		if len(missing) == 0 {
			return path, nil
		}
		if len(missing) < len(least) {
			least = missing
		}
	}
	missing := &MissingError{Lang: lang, What: least, Fix: clangFix}
	for _, what := range least {
		missing.Packages = append(missing.Packages, clangPackages[what])
	}
	return "", missing
}

// lacks returns the pieces that a clang does not find. Asked for a file, it prints the path when it has one, and the bare
// name when not.
func lacks(ctx context.Context, clang, lang string) []string {
	pieces := []struct{ what, question string }{
		{"wasm-ld", "-print-prog-name=wasm-ld"},
		{"wasi-libc", "-print-file-name=libc.a"},
		{"builtins", "-print-libgcc-file-name"},
	}
	if lang == "cpp" {
		pieces = append(pieces,
			struct{ what, question string }{"libc++", "-print-file-name=libc++.a"},
			struct{ what, question string }{"libc++abi", "-print-file-name=libc++abi.a"})
	}
	var missing []string
	for _, piece := range pieces {
		out, err := exec.CommandContext(ctx, clang, target, piece.question).Output()
		answer := strings.TrimSpace(string(out))
		if err == nil && filepath.IsAbs(answer) {
			_, err = os.Stat(answer)
		}
		if err == nil && !filepath.IsAbs(answer) {
			_, err = exec.LookPath(answer)
		}
		if err != nil {
			missing = append(missing, piece.what)
		}
	}
	return missing
}
