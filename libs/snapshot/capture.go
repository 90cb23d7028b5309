package snapshot

import (
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Request says for which calls a Proto-Faaslet is captured.
type Request struct {
	Args    []string      `json:"args,omitempty"`
	Env     []string      `json:"env,omitempty"` // as "K=V"
	Memory  faas.Size     `json:"memory"`        // linear memory, at most; 0 means faas.DefaultMemory
	Timeout time.Duration `json:"timeout"`       // of all initialisers together
}

// Captured is what came of capturing a Proto-Faaslet.
type Captured struct {
	Inits []string // the initialisers of the module, in their order, by their exports; those that ran, unless None
	// None says why there is no image, "" when there is one: the module has no initialiser, say, and begins as it is.
	None    string
	Own     bool // the initialisers were told the arguments or the environment: the image is for an equal Request only
	Encoded *Encoded
	Took    time.Duration // of the initialisers
}
