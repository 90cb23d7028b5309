package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
)

// Key is what the manifest of a Proto-Faaslet is signed and stored for, as an artefact is: a version of a module, the engine
// whose pre-pass named the globals, and the Setup that its initialisers were told; "" for one that suits any. It depends on
// no CPU.
func Key(v faas.Version, engine, setup string) artefact.Key {
	if setup == "" {
		setup = "any setup"
	}
	return artefact.Key{Version: v, Engine: engine, CPU: "proto-faaslet for " + setup}
}

// Setup names the arguments and the environment of a guest, which a Proto-Faaslet may depend on: 32 hexadecimal digits, other
// ones for others.
func Setup(args, env []string) string {
	h := sha256.New()
	list(h, args)
	list(h, env)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func list(h hash.Hash, texts []string) {
	fmt.Fprintf(h, "%d:", len(texts))
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
}
