package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func (a *app) files() *cobra.Command {
	c := command(groupFunction, &cobra.Command{
		Use:   "files",
		Short: "Store, read, list and delete shared files",
		Long: "A tenant's functions see its shared files, read-only, below /. Calls that start after a command has answered see\n" +
			"what it did; calls that run keep what they saw.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	})
	c.AddCommand(a.filesPut(), a.filesGet(), a.filesList(), a.filesRemove())
	return c
}

// filePath is a shared file as the user names it, TENANT/PATH. The path is "" where only a tenant is named.
type filePath struct{ tenant, path string }

func (p filePath) String() string { return p.tenant + "/" + p.path }

// parseFilePath parses TENANT/PATH; with whole only the name of a file will do.
func parseFilePath(arg string, whole bool) (filePath, error) {
	tenant, path, _ := strings.Cut(arg, "/")
	p := filePath{tenant, path}
	if err := faas.CheckName("tenant", tenant); err != nil {
		return p, err
	}
	if path == "" && !whole {
		return p, nil
	}
	if path == "" {
		return p, faas.Errorf(faas.BadRequest, "%q names no file: write TENANT/PATH", arg)
	}
	return p, faas.CheckFilePath(path)
}

func (a *app) filesPut() *cobra.Command {
	return &cobra.Command{
		Use:   "put TENANT/PATH FILE|DIR|-",
		Short: "Store a file, or all that a directory has",
		Long: "Put stores a file at PATH, in the place of the one that is there; - is stdin. Where PATH ends with / or is not\n" +
			"given the file keeps its name. Of a directory every file is stored below PATH, one after the other; the first\n" +
			"that can't be ends the command. Symbolic links to files are followed, those to directories are left out.",
		Example: "  shoal files put me/models/digits.bin digits.bin\n" +
			"  shoal files put me/data ./data\n" +
			"  pg_dump … | shoal files put me/dumps/today.sql -",
		Args: arguments(2, 2, "TENANT/PATH and a FILE, a DIR or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := parseFilePath(strings.TrimSuffix(args[0], "/"), false)
			if err != nil {
				return err
			}
			list, err := a.sources(to, strings.HasSuffix(args[0], "/"), args[1])
			if err != nil {
				return err
			}
			return a.putAll(cmd.Context(), list)
		},
	}
}

// source is one file to store.
type source struct {
	file string // "-" is stdin
	size int64  // -1 when it is not known
	to   filePath
}

// sources returns what the user means to store at to, or in to as a directory.
func (a *app) sources(to filePath, inside bool, name string) ([]source, error) {
	if name == "-" {
		if to.path == "" || inside {
			return nil, faas.Errorf(faas.BadRequest, "what comes on stdin has no name: write TENANT/PATH")
		}
		return []source{{"-", -1, to}}, nil
	}
	st, err := os.Stat(a.path(name))
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return a.filesIn(to, name)
	}
	if to.path == "" || inside {
		to.path = strings.TrimPrefix(to.path+"/"+filepath.Base(name), "/")
	}
	size := int64(-1)
	if st.Mode().IsRegular() {
		size = st.Size()
	}
	return []source{{name, size, to}}, faas.CheckFilePath(to.path)
}

// filesIn returns every file below a directory, each to be stored below to. All paths are checked before anything is stored.
func (a *app) filesIn(to filePath, dir string) (list []source, err error) {
	root := a.path(dir)
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved // else it would be left out itself
	}
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Stat(path) // of what a link points to
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		at := filePath{to.tenant, strings.TrimPrefix(to.path+"/"+filepath.ToSlash(rel), "/")}
		list = append(list, source{path, st.Size(), at})
		return faas.CheckFilePath(at.path)
	})
	if err == nil && len(list) == 0 {
		err = faas.Errorf(faas.BadRequest, "%s has no files", dir)
	}
	return list, err
}

// storedJSON is a file that was stored.
type storedJSON struct {
	faas.File
	Created bool `json:"created"`
}

func (a *app) putAll(ctx context.Context, list []source) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	total := int64(0)
	for _, s := range list {
		if total += s.size; s.size < 0 {
			total = -1
			break
		}
	}
	progress := a.progress("uploading", "storing", total)
	stored := []storedJSON{}
	for _, s := range list {
		var f storedJSON
		if f.File, f.Created, err = a.putOne(ctx, client, s, progress); err != nil {
			break
		}
		stored = append(stored, f)
		if a.output == text {
			what := "stored"
			if !f.Created {
				what = "replaced"
			}
			progress.clear()
			fmt.Fprintf(a.stdout, "%s %s, %s\n", s.to, what, humanSize(f.Size))
		}
	}
	progress.stop()
	if a.output == jsonFormat {
		if err := a.printJSON(map[string][]storedJSON{"files": stored}); err != nil {
			return err
		}
	}
	return err
}

func (a *app) putOne(ctx context.Context, client *apiclient.Client, s source, p *progress) (faas.File, bool, error) {
	body, size, err := a.open(s.file)
	if err != nil {
		return faas.File{}, false, err
	}
	defer body.Close()
	if size > int64(faas.MaxFile) {
		return faas.File{}, false, faas.Errorf(faas.TooLarge, "%s has %s: a shared file has at most %s", s.file, humanSize(size), faas.MaxFile)
	}
	return client.PutFile(ctx, s.to.tenant, s.to.path, apiclient.FileBody{Body: p.part(body), Size: size})
}

func (a *app) filesGet() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "get TENANT/PATH",
		Short: "Print the contents of a file, or write them to one",
		Long: "Get prints a shared file's contents, byte for byte, or with --to writes them to a file, which is there only when\n" +
			"it is whole. With -o json it prints what there is to know of the file, and takes --to.",
		Example: "  shoal files get me/models/digits.bin --to digits.bin\n  shoal files get me/data/log.gz | gzip -dc",
		Args:    arguments(1, 1, "TENANT/PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseFilePath(args[0], true)
			if err != nil {
				return err
			}
			if a.output == jsonFormat && to == "" {
				return usage(cmd, "with -o json the contents go to a file: give --to FILE")
			}
			return a.runFilesGet(cmd.Context(), from, to)
		},
	}
	c.Flags().StringVarP(&to, "to", "O", "", "`FILE` to write to, or a directory for one of the same name")
	return c
}

func (a *app) runFilesGet(ctx context.Context, from filePath, to string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	opened, err := client.GetFile(ctx, from.tenant, from.path)
	if err != nil {
		return orDirectory(ctx, client, from, err, "get its files one by one; shoal files ls "+from.String()+"/ has them")
	}
	defer opened.Body.Close()
	if to == "" {
		_, err = io.Copy(a.stdout, opened.Body)
		return err
	}
	progress := a.progress("downloading", "writing", opened.File.Size)
	to = a.path(to)
	if st, serr := os.Stat(to); serr == nil && st.IsDir() {
		to = filepath.Join(to, filepath.Base(filepath.FromSlash(from.path)))
	}
	err = writeWhole(to, progress.reader(opened.Body))
	progress.stop()
	if err != nil || a.output == text {
		return err
	}
	return a.printJSON(opened.File)
}

// writeWhole writes what r gives to a file that is there only when it is whole.
func writeWhole(name string, r io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func (a *app) filesList() *cobra.Command {
	return &cobra.Command{
		Use:     "ls TENANT[/PREFIX]",
		Aliases: []string{"list"},
		Short:   "List files",
		Long:    "List a tenant's shared files whose paths begin with PREFIX, in all directories.",
		Example: "  shoal files ls me\n  shoal files ls me/data/",
		Args:    arguments(1, 1, "TENANT or TENANT/PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, prefix, _ := strings.Cut(args[0], "/")
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			list, err := client.Files(cmd.Context(), tenant, prefix)
			if err != nil {
				return err
			}
			return a.printFiles(tenant, list)
		},
	}
}

func (a *app) printFiles(tenant string, list []faas.File) error {
	if a.output == jsonFormat {
		return a.printJSON(map[string][]faas.File{"files": list})
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "no files (store one: shoal files put "+tenant+"/PATH FILE)")
		return nil
	}
	now := time.Now()
	rows := [][]string{{"FILE", "SIZE", "STORED", "DIGEST"}}
	for _, f := range list {
		rows = append(rows, []string{tenant + "/" + f.Path, humanSize(f.Size), ago(now, f.Modified), f.Digest[:min(len(f.Digest), 12)]})
	}
	return table(a.stdout, rows)
}

func (a *app) filesRemove() *cobra.Command {
	var below bool
	c := &cobra.Command{
		Use:   "rm TENANT/PATH...",
		Short: "Delete files",
		Long: "Delete files, in the order given; the first that can't be deleted ends the command. With -r a PATH that is a\n" +
			"directory stands for all that is in it. Calls that run go on reading what they see.",
		Example: "  shoal files rm me/dumps/today.sql\n  shoal files rm -r me/data",
		Args:    arguments(1, 1<<20, "TENANT/PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]filePath, len(args))
			for i, arg := range args {
				var err error
				if names[i], err = parseFilePath(arg, true); err != nil {
					return err
				}
			}
			return a.removeFiles(cmd.Context(), names, below)
		},
	}
	c.Flags().BoolVarP(&below, "recursive", "r", false, "delete what is in directories")
	return c
}

func (a *app) removeFiles(ctx context.Context, names []filePath, below bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	removed := []string{}
	for _, n := range names {
		var all []filePath
		if all, err = expand(ctx, client, n, below); err != nil {
			break
		}
		for _, n := range all {
			if err = client.RemoveFile(ctx, n.tenant, n.path); err != nil {
				err = orDirectory(ctx, client, n, err, "-r deletes all that is in it")
				break
			}
			removed = append(removed, n.String())
			if a.output == text {
				fmt.Fprintf(a.stdout, "%s deleted\n", n)
			}
		}
		if err != nil {
			break
		}
	}
	if a.output == jsonFormat {
		if err := a.printJSON(map[string][]string{"deleted": removed}); err != nil {
			return err
		}
	}
	return err
}

// orDirectory returns err, or where that says that there is no file n, and n is a directory, that it is, and what to do.
func orDirectory(ctx context.Context, client *apiclient.Client, n filePath, err error, fix string) error {
	if faas.CodeOf(err) != faas.NotFound {
		return err
	}
	in, lerr := client.Files(ctx, n.tenant, n.path+"/")
	if lerr != nil || len(in) == 0 {
		return err
	}
	return faas.Errorf(faas.NotFound, "%s is a directory: files in it: %d", n, len(in)).Hint(fix)
}

// expand returns what n stands for: itself, or with below, when it is a directory, all that is in it.
func expand(ctx context.Context, client *apiclient.Client, n filePath, below bool) ([]filePath, error) {
	if !below {
		return []filePath{n}, nil
	}
	in, err := client.Files(ctx, n.tenant, n.path+"/")
	if err != nil {
		return nil, err
	}
	if len(in) == 0 {
		return []filePath{n}, nil
	}
	out := make([]filePath, len(in))
	for i, f := range in {
		out[i] = filePath{n.tenant, f.Path}
	}
	return out, nil
}
