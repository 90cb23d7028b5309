// Command stdlib is a function that uses Go's standard library, part by part, and a program that does the same natively: the
// two must print the same.
package main

import (
	"bytes"
	"fmt"
)

// parts are what an input names.
var parts = []struct {
	name string
	run  func(out *bytes.Buffer) error
}{
	{"json", jsonPart},
	{"text", textPart},
	{"gzip", gzipPart},
	{"crypto", cryptoPart},
	{"time", timePart},
	{"big", bigPart},
	{"language", languagePart},
	{"files", filesPart},
}

func answer(name string) ([]byte, error) {
	for _, p := range parts {
		if p.name != name {
			continue
		}
		var out bytes.Buffer
		err := p.run(&out)
		return out.Bytes(), err
	}
	return nil, fmt.Errorf("no part %q", name)
}
