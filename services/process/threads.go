package process

import "runtime/debug"

// threadLimit is Go's own limit of the threads of a process, past which it dies.
const threadLimit = 10_000

// AllowThreads lets this process have as many threads as guests take that run at once, and those of the rest. A guest has one
// for as long as it runs, whatever it waits for.
func AllowThreads(guests int) { debug.SetMaxThreads(threadLimit + 2*guests) }
