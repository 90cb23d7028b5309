// Command planner places calls on Shoal's workers. Any number may run; each knows what the others know.
package main

import (
	"os"

	"github.com/shoal-run/shoal/services/planner/plannerd"
	"github.com/shoal-run/shoal/services/process"
)

func main() { os.Exit(process.Main(plannerd.New())) }
