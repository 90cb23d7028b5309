package scaffold

import (
	"fmt"
	"os"

	"github.com/shoal-run/shoal/libs/wasmbin"
)

// check reports what would keep the module from becoming a function although it compiled: no entry. A deploy would say
// so too, later and without knowing the sources.
func (p Project) check(wasmPath string) error {
	data, err := os.ReadFile(wasmPath)
	if err != nil {
		return err
	}
	m, err := wasmbin.Parse(data)
	if err != nil {
		return fmt.Errorf("build %s: the compiler made no valid module: %w", p.Name, err)
	}
	entry, hint := p.entry()
	if e, ok := m.Export(entry); !ok || e.Kind != wasmbin.Func {
		return fmt.Errorf("build %s: the module does not export %s: %s", p.Name, entry, hint)
	}
	return nil
}

// entry returns the export that the runtime enters, and what to do when it is not there.
func (p Project) entry() (export, hint string) {
	switch {
	case p.Lang == "go":
		return "handle", "import github.com/shoal-run/shoal/sdk/go and call shoal.Handle in func init()"
	case p.Lang == "rust":
		return "handle", "say shoal::handler!(the name of a function) in src/lib.rs"
	case p.Lang == "assemblyscript":
		return "handle", "define export function handle(): i32 in assembly/index.ts"
	case p.kind() == Command:
		return "_start", "define int main(void), or say kind: " + Reactor + " in " + ConfigName
	default:
		return "handle", "include <shoal.h> and define int handle(void), or say kind: " + Command + " in " + ConfigName + " for a program with a main"
	}
}
