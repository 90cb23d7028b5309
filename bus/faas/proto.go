package faas

import (
	"maps"
	"slices"
)

// Proto says what is known of a version's Proto-Faaslet: the memory and globals as the module's initialisers left them, from
// which every worker restores Faaslets without running those again.
type Proto struct {
	Inits []string `json:"inits,omitempty"` // the module's initialisers, in their order, by their exports
	// None says why none is stored, "" when one is. Workers then build the first Faaslet from the module, and may restore
	// others from that one.
	None  string `json:"none,omitempty"`
	Setup string `json:"setup,omitempty"` // digest of the arguments and the environment that it is for; "" = any
	Size  Size   `json:"size,omitzero"`   // of it in memory: what is not zero
	Kept  Size   `json:"kept,omitzero"`   // of it in the object store, what it shares with other versions included
	// Object is where it is kept, the manifest, and Packs are the objects with its pages.
	Object string   `json:"object,omitempty"`
	Packs  []string `json:"packs,omitempty"`
	Took   Duration `json:"took,omitzero"` // of the initialisers; 0 when it was stored already
}

// Same reports whether p and q say the same of what is stored.
func (p *Proto) Same(q *Proto) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.None == q.None && p.Object == q.Object && p.Setup == q.Setup && p.Size == q.Size && p.Kept == q.Kept && slices.Equal(p.Packs, q.Packs) &&
		slices.Equal(p.Inits, q.Inits)
}

// Args returns the arguments that the function's guest sees: its name.
func (f Function) Args() []string { return []string{f.Name.Function} }

// Environ returns the environment that the function's guest sees, as "K=V", in the order of the names.
func (f Function) Environ() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(f.Settings.Env)) {
		out = append(out, k+"="+f.Settings.Env[k])
	}
	return out
}
