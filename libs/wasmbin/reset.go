package wasmbin

import "strconv"

// What an instrumented module tells the engine about putting an instance back to what it was: the exports that begin with
// NoReset say why that can't be done; without one, memory and the mutable globals are all that a call can change, and
// every mutable global is exported as StateGlobal and its index, whatever else it is exported as.
const (
	NoReset     = Reserved + "no_reset_" // and a Reset… word
	StateGlobal = Reserved + "g"
)

// Restored is the export that a reactor renews itself with when an engine has restored it from an image or put it back: a
// function of type () -> i32, whose result is one of the Renews… words, or () -> (), which is RenewsAll.
const Restored = "shoal_restored"

// What Restored answers. Any other result is RenewsNothing.
const (
	RenewsAll     = 0 // whatever has to differ between two instances was renewed
	RenewsNothing = 1 // it can't be: the instance, and every other one of an image, must not be used
	// RenewsRuntime says that what the language's runtime drew when it started was renewed, and nothing that other code of
	// the initialiser drew: an image is good where that is known to have drawn nothing.
	RenewsRuntime = 2
)

// Why an instance can't be put back.
const (
	ResetTables   = "tables"   // an instruction writes to a table: what a function reference is can't be told from outside
	ResetSegments = "segments" // data.drop or elem.drop: a dropped segment is gone
	ResetGlobals  = "globals"  // a mutable global is a vector or a reference, or there are more than MaxSavedGlobals
)

// MaxSavedGlobals is how many mutable globals a module may have that are saved and put back.
const MaxSavedGlobals = 1024

// change is a kind of state besides memory and globals that code changes.
type change uint8

const (
	changesTables change = 1 << iota
	changesSegments
)

// changes says what of an instance o changes that a reset could not put back.
func (o op) changes() change {
	switch o {
	case opTableSet, opTableInit, opTableCopy, opTableGrow, opTableFill:
		return changesTables
	case opDataDrop, opElemDrop:
		return changesSegments
	}
	return 0
}

// Unresettable returns why instances of m can't be put back to what they were, as Reset… words; none if they can. What a library
// imports is not its own to put back.
func (m *Module) Unresettable() (why []string) {
	if m.changed&changesTables != 0 {
		why = append(why, ResetTables)
	}
	if m.changed&changesSegments != 0 {
		why = append(why, ResetSegments)
	}
	mutable := 0
	for _, g := range m.Globals {
		if !g.Mutable || g.Imported {
			continue
		}
		if mutable++; mutable > MaxSavedGlobals || g.Type < f64 || g.Type > i32 {
			why = append(why, ResetGlobals)
			break
		}
	}
	return why
}

// mutableGlobals returns the mutable globals that m defines.
func (m *Module) mutableGlobals() (mutable []uint32) {
	for i, g := range m.Globals {
		if g.Mutable && !g.Imported {
			mutable = append(mutable, uint32(i))
		}
	}
	return mutable
}

// exportState exports what the engine needs to put an instance back, or why it can't.
func (e *edit) exportState(why []string, mutable []uint32) {
	for _, word := range why {
		e.export(NoReset+word, GlobalKind, e.global())
	}
	for _, i := range mutable {
		e.export(StateGlobal+strconv.FormatUint(uint64(i), 10), GlobalKind, i)
	}
}
