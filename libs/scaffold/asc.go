package scaffold

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ascCommand is the AssemblyScript compiler's command. npm puts the compiler into the project, or, in a workspace, into a
// folder above; nothing is fetched here. asconfig.json has the options.
func (p Project) ascCommand(dir, output string) (command, error) {
	const config = "asconfig.json"
	if _, err := os.Stat(filepath.Join(dir, config)); err != nil {
		return command{}, fmt.Errorf("build %s: the compiler's options are not in %s (`shoal new` writes it): %w", p.Name, config, err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return command{}, &MissingError{
			Lang: p.Lang, What: []string{"node"}, Fix: "install Node.js 18 or later, with npm: https://nodejs.org",
		}
	}
	compiler, err := above(dir, filepath.Join("node_modules", "assemblyscript", "bin", "asc.js"))
	if err != nil {
		return command{}, err
	}
	if compiler == "" {
		return command{}, &MissingError{
			Lang: p.Lang, What: []string{"the compiler, assemblyscript,"},
			Fix: "run npm install in " + dir + ", once: it fetches the compiler from the npm registry",
		}
	}
	args := []string{compiler, "--config", config, "--outFile", output}
	return command{name: "asc", path: node, args: append(args, p.Flags...)}, nil
}

// above returns the path of a file in dir or in the nearest folder above it that has it; "" when none has.
func above(dir, file string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(abs, file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(abs)
		if parent == abs {
			return "", nil
		}
		abs = parent
	}
}
