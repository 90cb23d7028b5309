package standalone

import "github.com/shoal-run/shoal/services/process"

// Tune is process.Tune, for programs that run nothing but a Standalone, and for what is compared with them.
func Tune() { process.Tune() }
