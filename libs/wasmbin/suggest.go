package wasmbin

import (
	"fmt"
	"strconv"
	"strings"
)

// unknownImports says which imports the host interface does not have, and what may be meant or wrong.
func unknownImports(unknown []Import, host Host) error {
	first := unknown[0]
	s := fmt.Sprintf("unknown import %s.%s", printable(first.Module), printable(first.Name))
	if why := host.why(first.Module, first.Name); why != "" {
		s += ": " + why
	} else if near, ok := nearest(first, host); ok {
		s += ": did you mean " + near + "?"
	} else if why := foreign(first); why != "" {
		s += ": " + why
	}
	if len(unknown) == 1 {
		return invalid("%s", s)
	}
	const most = 5
	var others []string
	for _, in := range unknown[1:min(len(unknown), most+1)] {
		others = append(others, printable(in.Module)+"."+printable(in.Name))
	}
	s += " (also unknown: " + strings.Join(others, ", ")
	if more := len(unknown) - 1 - len(others); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return invalid("%s)", s)
}

// foreign explains import modules of platforms that are not this one.
func foreign(in Import) string {
	switch {
	case in.Module == "wasi_unstable":
		return "WASI preview 0 is not supported, build with a toolchain for preview 1 (wasm32-wasip1)"
	case in.Module == "wasi" && in.Name == "thread-spawn":
		return "threads are not supported, build without -pthread"
	case strings.HasPrefix(in.Module, "wasi:") || strings.Contains(in.Module, "/"):
		return "it belongs to the component model, build for wasm32-wasip1"
	case in.Module == "gojs" || in.Module == "go":
		return "the module was built for a browser, build with GOOS=wasip1 GOARCH=wasm"
	case in.Module == "wbg" || strings.HasPrefix(in.Module, "__wbindgen"):
		return "the module was built for JavaScript, build for wasm32-wasip1 without wasm-bindgen"
	case in.Module == "a" || strings.HasPrefix(in.Name, "emscripten_") || strings.HasPrefix(in.Name, "invoke_"):
		return "the module was built by Emscripten, build with clang and wasi-libc"
	case strings.HasPrefix(in.Module, "GOT.") || in.Name == "__memory_base" || in.Name == "__table_base":
		return "the module is a shared library, link it as a program or a reactor"
	case in.Module == "env":
		return "no such host function; if it is one of your own, it was not linked in"
	}
	return ""
}

// nearest looks for a host function that in may be meant for: the same name elsewhere, with or without one of the
// usual prefixes, or a name one slip of the fingers away.
func nearest(in Import, host Host) (string, bool) {
	const longest = 64 // of names that are searched around
	if len(in.Name) == 0 || len(in.Name) > longest {
		return "", false
	}
	modules := []string{in.Module, "env", "wasi_snapshot_preview1"}
	try := func(name string) (string, bool) {
		for _, module := range modules {
			if _, _, ok := host.types(module, name); ok {
				return module + "." + name, true
			}
		}
		return "", false
	}
	names := []string{in.Name}
	for _, prefix := range []string{"__faasm_", "__shoal_", "__wasi_", "faasm_", "__"} {
		names = append(names, prefix+in.Name, strings.TrimPrefix(in.Name, prefix), "__faasm_"+strings.TrimPrefix(in.Name, prefix))
	}
	for _, name := range append(names, strings.ToLower(in.Name)) {
		if found, ok := try(name); ok {
			return found, true
		}
	}
	modules = modules[:1]
	for i := range len(in.Name) + 1 {
		if found, ok := tryEdits(in.Name, i, try); ok {
			return found, true
		}
	}
	return "", false
}

// tryEdits tries the names that differ from name at byte i.
func tryEdits(name string, i int, try func(string) (string, bool)) (string, bool) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
	before, after := name[:i], name[i:]
	var near []string
	if after != "" {
		near = append(near, before+after[1:])
	}
	if len(after) > 1 {
		near = append(near, before+string([]byte{after[1], after[0]})+after[2:])
	}
	for _, c := range []byte(letters) {
		near = append(near, before+string(c)+after)
		if after != "" {
			near = append(near, before+string(c)+after[1:])
		}
	}
	for _, n := range near {
		if found, ok := try(n); ok {
			return found, true
		}
	}
	return "", false
}

// printable shortens and escapes a name from a module for a message.
func printable(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most] + "…"
	}
	q := strconv.Quote(s)
	if s == "" || q[1:len(q)-1] != s || strings.Contains(s, " ") {
		return q
	}
	return s
}
