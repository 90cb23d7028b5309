// Command worker runs Shoal's functions as Faaslets.
package main

import (
	"os"

	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/worker/workerd"
)

func main() {
	compile.MaybeChild()
	os.Exit(process.Main(workerd.New()))
}
