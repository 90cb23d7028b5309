package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/libs/scaffold"
)

func (a *app) newProject() *cobra.Command {
	lang := "go"
	c := command(groupProject, &cobra.Command{
		Use:   "new [DIR/]NAME",
		Short: "Make a project for a function",
		Long: "New makes a folder with a function that works, its unit test, a README that says what to do next, and a copy of the SDK, so\n" +
			"that nothing is fetched but AssemblyScript's compiler. The folder must not exist or be empty; its last part is the\n" +
			"function's name.",
		Example: "  shoal new wc\n  shoal new --lang rust fast/histogram",
		Args:    arguments(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(scaffold.Languages(), lang) {
				return usage(cmd, "--lang %q is none of %s", lang, strings.Join(scaffold.Languages(), ", "))
			}
			dir := filepath.Clean(args[0])
			name := filepath.Base(dir)
			if err := scaffold.New(a.path(dir), name, lang); err != nil {
				return err
			}
			if a.output == jsonFormat {
				return a.printJSON(map[string]string{"name": name, "lang": lang, "dir": dir})
			}
			first := ""
			if lang == "assemblyscript" { // whose compiler npm fetches
				first = "npm install && "
			}
			_, err := fmt.Fprintf(a.stdout, "%s is ready\n  cd %s && %sshoal build && shoal deploy me/%s\n", dir, shellQuote(dir), first, name)
			return err
		},
	})
	c.Flags().StringVar(&lang, "lang", lang, "language: "+strings.Join(scaffold.Languages(), ", "))
	_ = c.RegisterFlagCompletionFunc("lang", // fails only for a flag that does not exist
		cobra.FixedCompletions(scaffold.Languages(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) build() *cobra.Command {
	var to string
	c := command(groupProject, &cobra.Command{
		Use:   "build [DIR]",
		Short: "Compile a project to a WebAssembly module",
		Long: "Build compiles the project in DIR, or in the current directory, to NAME.wasm beside its " + scaffold.ConfigName + ".\n" +
			"What the compiler says goes to stderr. The module keeps the names of its functions for backtraces.",
		Args: arguments(0, 1, "one DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			begin := time.Now()
			project, err := scaffold.Load(a.path(dir))
			if err != nil {
				return err
			}
			file := to
			if file == "" {
				file = filepath.Join(dir, project.Name+".wasm")
			}
			progress := a.progress("", "building", 0)
			err = scaffold.BuildTo(cmd.Context(), a.path(dir), a.path(file), progress.writer())
			progress.stop()
			if err != nil {
				return err
			}
			st, err := os.Stat(a.path(file))
			if err != nil {
				return err
			}
			if a.output == jsonFormat {
				return a.printJSON(struct {
					File string `json:"file"`
					Size int64  `json:"size"`
				}{file, st.Size()})
			}
			_, err = fmt.Fprintf(a.stdout, "%s: %s, built in %s\n", file, humanSize(st.Size()), humanDuration(time.Since(begin)))
			return err
		},
	})
	c.Flags().StringVar(&to, "to", "", "`FILE` to write the module to")
	return c
}

// builtModule returns the file that `shoal build` makes of the project in the current directory. What it holds is what
// is deployed: a source that changed since is not built here.
func (a *app) builtModule() (string, error) {
	dir := a.dir
	if dir == "" {
		dir = "."
	}
	project, err := scaffold.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no file to deploy, and the current directory is no project (name a file, or make a project: shoal new NAME)")
	}
	if err != nil {
		return "", err
	}
	file := project.Name + ".wasm"
	if _, err := os.Stat(a.path(file)); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is not built yet (build it: shoal build)", file)
	}
	return file, nil
}
