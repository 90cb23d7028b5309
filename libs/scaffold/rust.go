package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rustTargets are names of the platform, the newer first: what rustc calls it since 1.78, and before.
var rustTargets = [...]string{"wasm32-wasip1", "wasm32-wasi"}

// rustFlags are for the crate and all it is made of: small, without unwinding, with the names of functions. The host puts
// chained calls' outputs into memory from malloc; the stack comes first, as in C.
var rustFlags = []string{
	"-C", "opt-level=3", "-C", "panic=abort", "-C", "strip=debuginfo",
}

var rustLinkFlags = []string{
	"-C", "link-arg=--export=malloc", "-C", "link-arg=--stack-first", "-C", fmt.Sprintf("link-arg=-zstack-size=%d", stackSize),
}

// rustCommands are those of rustc for the SDK and the crate or, when the crate depends on others, that of cargo.
func (p Project) rustCommands(ctx context.Context, dir, output string) ([]command, error) {
	source := filepath.Join("src", "lib.rs")
	if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
		return nil, fmt.Errorf("build %s: no source files: %s has no %s: %w", p.Name, dir, source, err)
	}
	others, err := crateDependencies(filepath.Join(dir, "Cargo.toml"))
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", p.Name, err)
	}
	rustc, rustTarget, err := findRust(ctx)
	if err != nil {
		return nil, err
	}
	if len(others) > 0 {
		return p.cargoCommand(rustc, rustTarget, output, others)
	}
	sdk := filepath.Join(p.sdk(), "src", "lib.rs")
	if _, err := os.Stat(filepath.Join(dir, sdk)); err != nil {
		return nil, fmt.Errorf("build %s: the SDK is not in %s (`shoal new` puts it there; sdk: in %s may name another folder): %w",
			p.Name, p.sdk(), ConfigName, err)
	}
	library := filepath.Join(filepath.Dir(output), "libshoal.rlib")
	compile := func(crate, kind, source, output string, more ...string) command {
		args := append([]string{"--edition=2021", "--target=" + rustTarget, "--crate-name=" + crate, "--crate-type=" + kind}, rustFlags...)
		args = append(append(args, more...), source, "-o", output)
		return command{name: "rustc", path: rustc, args: args}
	}
	more := append([]string{"--extern=shoal=" + library}, rustLinkFlags...)
	return []command{
		compile("shoal", "rlib", sdk, library),
		compile(strings.ReplaceAll(p.Name, "-", "_"), "cdylib", source, output, append(more, p.Flags...)...),
	}, nil
}

// cargoCommand builds a crate with dependencies, by the cargo that came with rustc. What it fetches is its own business, and
// Cargo.lock's.
func (p Project) cargoCommand(rustc, rustTarget, output string, others []string) ([]command, error) {
	cargo := filepath.Join(filepath.Dir(rustc), "cargo")
	if _, err := exec.LookPath(cargo); err != nil {
		return nil, &MissingError{
			Lang: p.Lang, What: []string{"cargo, which the dependency on " + others[0] + " needs,"}, Packages: []string{"cargo"},
			Fix: "elsewhere: install Rust with rustup, https://rustup.rs",
		}
	}
	target := filepath.Join(filepath.Dir(output), "target")
	flags := append(append(append([]string{}, rustFlags...), rustLinkFlags...), p.Flags...)
	return []command{{
		name: "cargo",
		path: cargo,
		args: []string{"build", "--quiet", "--release", "--lib", "--target", rustTarget, "--target-dir", target},
		env:  []string{"RUSTC=" + rustc, "CARGO_ENCODED_RUSTFLAGS=" + strings.Join(flags, "\x1f")},
		made: filepath.Join(target, rustTarget, "release", "*.wasm"),
		to:   output,
	}}, nil
}

// crateDependencies returns the names in a Cargo.toml's [dependencies] but the SDK's. Without a Cargo.toml there are none.
func crateDependencies(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table := strings.Trim(line, "[] ")
			inside = table == "dependencies"
			if name, ok := strings.CutPrefix(table, "dependencies."); ok && name != "shoal" {
				names = append(names, name)
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); inside && ok && !strings.HasPrefix(name, "#") && name != "shoal" {
			names = append(names, name)
		}
	}
	return names, nil
}

// findRust returns a compiler that has the standard library of a target of ours, and that target. RUSTC names one; else each
// rustc on PATH is asked: one of rustup's often stands before the system's.
func findRust(ctx context.Context) (rustc, rustTarget string, err error) {
	candidates := []string{}
	if named := os.Getenv("RUSTC"); named != "" {
		candidates = append(candidates, named)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, "rustc")); err == nil && filepath.IsAbs(path) {
			candidates = append(candidates, path)
		}
	}
	missing := &MissingError{
		Lang: "rust", What: []string{"rustc"}, Packages: []string{"rustc", "libstd-rust-dev-wasm32"},
		Fix: "elsewhere: install Rust with rustup, https://rustup.rs, and rustup target add wasm32-wasip1",
	}
	for _, candidate := range candidates {
		for _, t := range rustTargets {
			out, err := exec.CommandContext(ctx, candidate, "--print=target-libdir", "--target="+t).Output()
			if err := ctx.Err(); err != nil {
				return "", "", context.Cause(ctx)
			}
			if err != nil { // it does not know the target
				continue
			}
			missing.What, missing.Packages = []string{"Rust's standard library for " + rustTargets[0]}, []string{"libstd-rust-dev-wasm32"}
			found, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "libstd-*.rlib"))
			if err == nil && len(found) > 0 {
				return candidate, t, nil
			}
		}
	}
	return "", "", missing
}
