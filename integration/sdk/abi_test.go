package sdk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/scaffold"
)

// Each SDK's chained calls and state reach a host as Faasm's interface says, whatever a worker has of it: the host here is the
// test's own. The function of each language does the same.
func TestSDKsSpeakFaasmsInterface(t *testing.T) {
	source := func(file string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "abi", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, lang := range []struct {
		name, file, source string
		needs              testenv.Requirement
	}{
		{"c", "main.c", "main.c", testenv.Clang},
		{"cpp", "main.cpp", "main.cpp", testenv.Clang},
		{"go", "main.go", "main.go.txt", testenv.GoWasm},
		{"rust", "src/lib.rs", "lib.rs", testenv.Rust},
		{"assemblyscript", "assembly/index.ts", "index.ts", testenv.Npm},
	} {
		t.Run(lang.name, func(t *testing.T) {
			if lang.needs != testenv.Clang {
				testenv.Long(t, "links a Go module, asks a registry")
			}
			testenv.Need(t, lang.needs)
			dir := made(t, lang.name)
			if err := os.WriteFile(filepath.Join(dir, lang.file), []byte(source(lang.source)), 0o600); err != nil {
				t.Fatal(err)
			}
			h := &host{input: []byte("hi"), state: map[string][]byte{}, lists: map[string][][]byte{}}
			h.run(t, build(t, dir))
			if lang.name == "assemblyscript" { // its worker for tests is in JavaScript
				if err := os.WriteFile(filepath.Join(dir, "worker.mjs"), []byte(source("worker.mjs")), 0o600); err != nil {
					t.Fatal(err)
				}
				if said, want := command(t, dir, nil, "node", "worker.mjs", "greet.wasm"), "0 HI!X101ab456789b45onetwo 01ab456789 0\n"; said != want {
					t.Errorf("in the place of a worker: %q, want %q", said, want)
				}
			}
			if got, want := string(h.output), "HI!X301ab456789b45onetwo"; got != want {
				t.Errorf("the output is %q, want %q", got, want)
			}
			if want := []string{"lock k", "push k", "pull k 10", "unlock k"}; !slices.Equal(h.did, want) {
				t.Errorf("it did %q, want %q", h.did, want)
			}
			if len(h.lists) != 0 {
				t.Error("the list was not cleared")
			}
		})
	}
}

// made makes a project as `shoal new` does, and installs what its compiler needs.
func made(t *testing.T, lang string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "greet")
	if err := scaffold.New(dir, "greet", lang); err != nil {
		t.Fatal(err)
	}
	if lang == "assemblyscript" {
		command(t, dir, nil, "npm", "install", "--no-audit", "--no-fund")
	}
	return dir
}

// host has a call, in memory, and Faasm's functions for it.
type host struct {
	input, output []byte
	state         map[string][]byte
	lists         map[string][][]byte
	did           []string
	calls         [][]byte // outputs; nil of one that failed
}

func (h *host) run(t *testing.T, module []byte) {
	t.Helper()
	engine := wasmtime.NewEngine()
	linker := wasmtime.NewLinker(engine)
	linker.AllowShadowing(true) // a module may import a function twice
	h.define(t, linker)
	compiled, err := wasmtime.NewModule(engine, module)
	must(t, err)
	for _, i := range compiled.Imports() {
		if i.Module() == "wasi_snapshot_preview1" {
			must(t, linker.FuncNew(i.Module(), *i.Name(), i.Type().FuncType(), wasi(t, *i.Name(), i.Type().FuncType())))
		}
	}
	store := wasmtime.NewStore(engine)
	defer store.Close()
	instance, err := linker.Instantiate(store, compiled)
	must(t, err)
	for _, entry := range []string{"_initialize", "handle"} {
		result, err := instance.GetFunc(store, entry).Call(store)
		must(t, err)
		if code, ok := result.(int32); ok && code != 0 {
			t.Fatalf("%s returned %d", entry, code)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wasi is a function of WASI as far as a language's start and its complaints need it. (The engine's own leaves threads behind.)
func wasi(t *testing.T, name string, typ *wasmtime.FuncType) func(*wasmtime.Caller, []wasmtime.Val) ([]wasmtime.Val, *wasmtime.Trap) {
	const ok, notThere = 0, 8
	return func(c *wasmtime.Caller, args []wasmtime.Val) ([]wasmtime.Val, *wasmtime.Trap) {
		if len(typ.Results()) == 0 { // proc_exit
			return nil, wasmtime.NewTrap(name)
		}
		memory := c.GetExport("memory").Memory().UnsafeData(c)
		put := func(arg int, size uint32, v uint64) {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			copy(memory[args[arg].I32():][:size], b[:])
		}
		errno := ok
		switch name {
		case "args_sizes_get", "environ_sizes_get":
			put(0, 4, 0)
			put(1, 4, 0)
		case "args_get", "environ_get", "random_get", "sched_yield":
		case "clock_time_get":
			put(2, 8, 1)
		case "fd_write":
			written := uint32(0)
			for i := range args[2].I32() {
				at := memory[args[1].I32()+8*i:]
				text := memory[binary.LittleEndian.Uint32(at):][:binary.LittleEndian.Uint32(at[4:])]
				t.Logf("%s", text)
				written += uint32(len(text))
			}
			put(3, 4, uint64(written))
		default:
			errno = notThere
		}
		return []wasmtime.Val{wasmtime.ValI32(int32(errno))}, nil
	}
}

// define adds the functions that the SDKs use to a linker.
func (h *host) define(t *testing.T, linker *wasmtime.Linker) {
	type caller = *wasmtime.Caller
	memory := func(c caller) []byte { return c.GetExport("memory").Memory().UnsafeData(c) }
	at := func(c caller, p, n int32) []byte { return memory(c)[uint32(p) : uint32(p)+uint32(n)] }
	text := func(c caller, p int32) string {
		data := memory(c)[uint32(p):]
		return string(data[:bytes.IndexByte(data, 0)])
	}
	part := func(key string, total int32) []byte {
		if missing := int(total) - len(h.state[key]); missing > 0 {
			h.state[key] = append(h.state[key], make([]byte, missing)...)
		}
		return h.state[key]
	}
	did := func(what string) func(caller, int32) {
		return func(c caller, key int32) { h.did = append(h.did, what+" "+text(c, key)) }
	}
	for name, f := range map[string]any{
		"read_input": func(c caller, p, n int32) int32 {
			if n == 0 {
				return int32(len(h.input))
			}
			return int32(copy(at(c, p, n), h.input))
		},
		"write_output": func(c caller, p, n int32) { h.output = bytes.Clone(at(c, p, n)) },
		"chain_name": func(c caller, name, p, n int32) int32 {
			var out []byte
			if text(c, name) == "upper" {
				out = bytes.ToUpper(at(c, p, n))
			}
			h.calls = append(h.calls, out)
			return int32(len(h.calls))
		},
		"await_call": func(id int32) int32 {
			if h.calls[id-1] == nil {
				return 3
			}
			return 0
		},
		"await_call_output": func(c caller, id, out, size int32) int32 {
			data := h.calls[id-1]
			if data == nil {
				return 3
			}
			p, err := c.GetExport("malloc").Func().Call(c, int32(len(data)))
			if err != nil {
				t.Error(err)
				return 1
			}
			copy(at(c, p.(int32), int32(len(data))), data)
			binary.LittleEndian.PutUint32(at(c, out, 4), uint32(p.(int32)))
			binary.LittleEndian.PutUint32(at(c, size, 4), uint32(len(data)))
			return 0
		},
		"read_state": func(c caller, key, p, n int32) int32 {
			copy(at(c, p, n), h.state[text(c, key)])
			return int32(len(h.state[text(c, key)]))
		},
		"read_state_offset": func(c caller, key, total, offset, p, n int32) {
			copy(at(c, p, n), part(text(c, key), total)[offset:])
		},
		"write_state": func(c caller, key, p, n int32) { h.state[text(c, key)] = bytes.Clone(at(c, p, n)) },
		"write_state_offset": func(c caller, key, total, offset, p, n int32) {
			copy(part(text(c, key), total)[offset:], at(c, p, n))
		},
		"append_state": func(c caller, key, p, n int32) {
			h.lists[text(c, key)] = append(h.lists[text(c, key)], bytes.Clone(at(c, p, n)))
		},
		"read_appended_state": func(c caller, key, p, n, count int32) {
			copy(at(c, p, n), bytes.Join(h.lists[text(c, key)][:count], nil))
		},
		"clear_appended_state": func(c caller, key int32) { delete(h.lists, text(c, key)) },
		"push_state":           did("push"),
		"pull_state": func(c caller, key, n int32) {
			h.did = append(h.did, fmt.Sprintf("pull %s %d", text(c, key), n))
		},
		"lock_state_write":   did("lock"),
		"unlock_state_write": did("unlock"),
	} {
		must(t, linker.FuncWrap("env", "__faasm_"+name, f))
	}
}
