package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/shoal-run/shoal/bus/faas"
)

// ConfigName is the file that makes a folder a project.
const ConfigName = "shoal.yaml"

// SDKDir is where New puts the SDK within a project.
const SDKDir = "shoal-sdk"

// Kinds of functions in C and C++.
const (
	Reactor = "reactor" // int handle(void); initialised once
	Command = "command" // int main(void)
)

// Project is what a shoal.yaml says.
type Project struct {
	Name  string   `yaml:"name"`  // of the function, and of the module: NAME.wasm
	Lang  string   `yaml:"lang"`  // one of Languages
	Kind  string   `yaml:"kind"`  // C and C++ only: Reactor, or Command; "" is Reactor
	SDK   string   `yaml:"sdk"`   // C, C++ and Rust only: the folder of the SDK, relative to the project; "" is SDKDir
	Flags []string `yaml:"flags"` // more arguments for the compiler: "-lm", "-tags=x"
}

// Languages returns what New and Build can do, in alphabetical order.
func Languages() []string { return []string{"assemblyscript", "c", "cpp", "go", "rust"} }

// displayName returns a language as people write it.
func displayName(lang string) string {
	switch lang {
	case "c":
		return "C"
	case "cpp":
		return "C++"
	case "go":
		return "Go"
	case "rust":
		return "Rust"
	case "assemblyscript":
		return "AssemblyScript"
	}
	return lang
}

// Load reads the shoal.yaml of a project's folder. Without one the error says how to get it, and is fs.ErrNotExist.
// Keys that do not exist and values that are not allowed are errors that name the file and the key.
func Load(dir string) (Project, error) {
	path := filepath.Join(dir, ConfigName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Project{}, fmt.Errorf("%s is no project: it has no %s (shoal new makes one): %w", dir, ConfigName, fs.ErrNotExist)
	}
	if err != nil {
		return Project{}, err
	}
	var p Project
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return Project{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := p.validate(); err != nil {
		return Project{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// validate reports the first key that is wrong.
func (p Project) validate() error {
	if err := faas.CheckName("function", p.Name); err != nil {
		var coded *faas.Error
		if errors.As(err, &coded) { // its code says nothing about a file
			err = errors.New(coded.Message)
		}
		return fmt.Errorf("name: %w", err)
	}
	if err := checkLang(p.Lang); err != nil {
		return fmt.Errorf("lang: %w", err)
	}
	if where, ok := sdkNamedIn[p.Lang]; ok && p.SDK != "" {
		return fmt.Errorf("sdk: %s says where the SDK is", where)
	}
	if p.Kind != "" && p.Lang != "c" && p.Lang != "cpp" {
		return fmt.Errorf("kind is for C and C++: %s functions are reactors", displayName(p.Lang))
	}
	switch p.Kind {
	case "", Reactor, Command:
		return nil
	}
	return fmt.Errorf("kind: %q is neither %s (int handle(void)) nor %s (int main(void))", p.Kind, Reactor, Command)
}

// sdkNamedIn are the files that tell where the SDK is, of languages that have one for it.
var sdkNamedIn = map[string]string{"go": "go.mod", "assemblyscript": "package.json"}

func checkLang(lang string) error {
	if slices.Contains(Languages(), lang) {
		return nil
	}
	return fmt.Errorf("%q is no language that Shoal knows: choose %s", lang, strings.Join(Languages(), ", "))
}

func (p Project) kind() string {
	if p.Kind == "" {
		return Reactor
	}
	return p.Kind
}

func (p Project) sdk() string {
	if p.SDK == "" {
		return SDKDir
	}
	return p.SDK
}
