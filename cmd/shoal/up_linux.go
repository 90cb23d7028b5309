//go:build linux && cgo

package main

import "github.com/spf13/cobra"

// atStart runs before anything else of the process.
func atStart() {}

// platformCommands returns the commands that only this platform has.
func platformCommands(*app) []*cobra.Command { return nil }
