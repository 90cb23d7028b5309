package shoal

// restorers are what OnRestore registered. It is a variable of the package for handler's reason.
var restorers []func()

// OnRestore registers f to renew what must not be the same in two Faaslets, or in two calls, though a package initialiser
// made it: a generator of one's own that was seeded, an instance's identifier, a session, a nonce, a time of start.
//
//	var rng *rand.Rand
//
//	func init() { shoal.OnRestore(seed) }
//
//	func seed() { rng = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }
//
// After each call a Faaslet is put back to what the initialisers left, and other Faaslets begin as copies of that. The
// functions run each time before the next call, in the order they were registered, with the randomness of Go's runtime
// renewed already: what math/rand, math/rand/v2 and crypto/rand give by their top-level functions needs nothing more. They
// also run in a new Faaslet when the initialisers have ended, so on a worker no call comes before them; a test calls them
// itself. They have 20 ms; a panic makes the Faaslet be replaced.
//
// A program that registers a function says with it that nothing else needs renewal. Without one, a program whose
// initialisers ask for random bytes by themselves (crypto/rand) or for the time of day (time.Now) is not restored but
// built anew for each call, since nobody can tell what became of them; see the package's documentation.
//
// Call it from an initialiser. It panics when f is nil.
func OnRestore(f func()) {
	if f == nil {
		panic("shoal: OnRestore: the function is nil")
	}
	restorers = append(restorers, f)
}

// The answers of a module that was restored.
const (
	renewedAll     = 0 // whatever has to differ was renewed
	renewedNothing = 1 // it can't be, so nothing may be restored
	renewedRuntime = 2 // what Go's runtime drew was renewed; nothing is known of other initialisers
)

// restored renews the runtime's randomness through reseed, which reports whether it could, and then the program's, which a
// new Faaslet counts on in either case.
func restored(reseed func() bool) int32 {
	reseeded := reseed()
	for _, f := range restorers {
		f()
	}
	switch {
	case !reseeded:
		return renewedNothing
	case len(restorers) == 0:
		return renewedRuntime
	}
	return renewedAll
}
