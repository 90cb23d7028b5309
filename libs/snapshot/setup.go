package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

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
