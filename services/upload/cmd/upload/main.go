// Command upload turns modules into Shoal's functions: it judges, compiles, signs and stores them. Any number may run
// with the same signing key.
package main

import (
	"os"

	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/upload/uploadd"
)

func main() {
	compile.MaybeChild()
	os.Exit(process.Main(uploadd.New()))
}
