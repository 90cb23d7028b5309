package wasmbin

// What an instrumented module has for whoever wants to end it, if it has any interruption point. The host stores KillAsked
// in the global when the guest shall end, from any thread; the guest's next interruption point then stores KillTaken and
// traps with unreachable, so that a trap of the guest's own is never taken for it.
const (
	// Kill is the exported mutable i32 global that every interruption point reads. It is zero as long as the guest may run.
	Kill = Reserved + "kill"
	// Here is an exported function of the module's own, of whatever type: it leads the host to the instance's globals.
	Here = Reserved + "here"
	// StartFunc is the exported start function: it runs when the host calls it, once and before anything else, since nothing
	// can end what runs while there is no instance yet.
	StartFunc = Reserved + "start"

	KillAsked = 1
	KillTaken = 2
)

// light is the longest function, in bytes with its locals, that has no interruption point at its entry: one without calls
// and loops. What calls it has one at least every pointEvery bytes, so 8000 such calls are the most that run in between.
const light = 32

// pollMax is the most that an interruption point adds to a function, in bytes.
const pollMax = 16 + 3*5

// poll is an interruption point: it reads global kill and ends the guest when that is KillAsked.
//
// What ends the guest looks to the compiler as if it could go on: there is a store on a way that leads back to the code
// behind the point. Without it the compiler would be right to take the value that an earlier point has read, since nothing
// in between writes globals, and a loop would never see the kill. It leads back to a loop's header, and not straight on,
// since the compiler then lays it out behind everything else: the way that goes on is a branch that is not taken.
func poll(kill uint32) []byte {
	code := appendU32([]byte{byte(opLoop), blockEmpty, byte(opGlobalGet)}, kill)
	code = appendU32(append(code, byte(opIf), blockEmpty, byte(opGlobalGet)), kill)
	code = appendU32(append(code, byte(opI32Const), KillTaken, byte(opGlobalSet)), kill)
	return append(code, byte(opI32Const), KillAsked, byte(opI32Ne), byte(opBrIf), 1, byte(opUnreachable), byte(opEnd), byte(opEnd))
}

// interruptible adds what the points need. Preconditions: there is a function, and no point yet.
func (p *prepass) interruptible() {
	kill := p.global()
	p.point = poll(kill)
	p.export(Kill, GlobalKind, kill)
	p.export(Here, Func, uint32(p.m.importedFuncs))
	if p.m.Start >= 0 {
		p.export(StartFunc, Func, uint32(p.m.Start))
		p.noStart = true
	}
}
