package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var linkTarget = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)]*)?\)`)

// checkLinks wants every relative link of the Markdown files below root to lead to something.
func checkLinks(root string) ([]finding, error) {
	var out []finding
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(skipDirs, d.Name()) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range linkTarget.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], ":") { // a URL
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))); err != nil {
					out = append(out, finding{
						fmt.Sprintf("%s:%d", filepath.ToSlash(rel), i+1), "links to " + m[1] + ", which is not there",
						"documents are read in the tree: their links lead somewhere",
					})
				}
			}
		}
		return nil
	})
	return out, err
}
