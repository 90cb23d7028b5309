// Command gateway is the way into Shoal: HTTP and NATS clients call functions through it. Any number may run.
package main

import (
	"os"

	"github.com/shoal-run/shoal/services/gateway/gatewayd"
	"github.com/shoal-run/shoal/services/process"
)

func main() { os.Exit(process.Main(gatewayd.New())) }
