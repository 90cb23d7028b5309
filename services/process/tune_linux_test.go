package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLimited(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	small, unlimited, huge := file("small", "1000\n"), file("none", "max\n"), file("huge", "9223372036854771712\n")
	for _, c := range []struct {
		files []string
		want  uint64
	}{
		{nil, 5000},
		{[]string{small}, 1000},
		{[]string{unlimited, huge, filepath.Join(dir, "missing")}, 5000},
		{[]string{huge, small}, 1000},
	} {
		if got := limited(5000, c.files); got != c.want {
			t.Errorf("limited by %v: %d, want %d", c.files, got, c.want)
		}
	}
}
