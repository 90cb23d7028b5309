package faas

import (
	"strings"
	"testing"
)

func TestCheckFilePath(t *testing.T) {
	long := strings.Repeat("p", MaxFilePart)
	for _, ok := range []string{
		"a", "a/b", ".hidden", "...", "a b", "ä/日本/🐟", "%2e%2e/x", `back\slash`, "a*b>c.d", "$KV.x", long, long + "/" + long, "-", " ",
	} {
		if err := CheckFilePath(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for path, word := range map[string]string{
		"":                                    "empty",
		"/a":                                  "empty part",
		"a/":                                  "empty part",
		"a//b":                                "empty part",
		"/":                                   "empty part",
		".":                                   `"."`,
		"a/./b":                               `"."`,
		"..":                                  `".."`,
		"../b":                                `".."`,
		"a/../../b":                           `".."`,
		"a\x00b":                              "control",
		"a\nb":                                "control",
		"a\x7f":                               "control",
		"a\u0085b":                            "control",
		"a\xff":                               "UTF-8",
		"\xc0\xae\xc0\xae/b":                  "UTF-8", // ".." as an overlong form
		long + "x":                            "part of 256 bytes",
		long + "/" + long + "/":               "empty part",
		strings.Repeat("abc/", 128) + "d":     "513 bytes",
		strings.Repeat("ä", 256) + "/" + "bc": "at most 512",
	} {
		if err := CheckFilePath(path); CodeOf(err) != BadRequest || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v, want words of %s", path, err, word)
		}
	}
}
