package wasmbin

import "strings"

// The exports by which a module asks for more of its start to be done once, ahead of its calls, beside the "_initialize" of
// a reactor: Wizer's and Faasm's. They run in this order, after the constructors.
const (
	WizerInitialize = "wizer.initialize" // () -> ()
	FaasmZygote     = "_faasm_zygote"    // () -> i32 or () -> (); another result than 0 is a failure
	// WizerResume, of type () -> (), is what a command that has WizerInitialize is entered by afterwards: its main without
	// its constructors.
	WizerResume = "wizer.resume"
)

// Ctors is the exported function that runs the constructors of an instrumented module which has a zygote: what the linker
// calls __wasm_call_ctors. It does so once in an instance and in those that are copies of it, whoever calls it, so that the
// "_start" of a command does not build again what the zygote has worked on.
//
// A linker may wrap every export of a command so that it runs the constructors before and the destructors after: a zygote
// would be destroyed as it ends. So the destructors do nothing while a zygote runs, which is called by the export Held and its
// name.
const (
	Ctors     = Reserved + "ctors"
	ctorsRan  = Reserved + "ctors_ran" // the exported global that says so
	Held      = Reserved + "init_"     // and the name of a zygote's export
	dtorsHeld = Reserved + "dtors_held"
	ctorsName = "__wasm_call_ctors"
	dtorsName = "__wasm_call_dtors"
)

// NoResume is why a command's zygote is not run.
const NoResume = "its zygote is not run: nothing tells which function runs the constructors, and \"_start\" would run them " +
	"again (link with -Wl,--export=__wasm_call_ctors or without -s, or export \"wizer.resume\")"

// opGuard marks the site at the entry of the constructors, opHold that of the destructors. opFirst and opLast mark the same
// two in a command that loads libraries, whose linker may have wrapped every export, malloc too: the constructors run
// when the first of these begins, the destructors when the last one ends.
const (
	opGuard op = 0xffff0000
	opHold  op = 0xffff0001
	opFirst op = 0xffff0002
	opLast  op = 0xffff0003
)

// zygotes returns the exported functions that are initialisers and no standard of WASI, in their order.
func (m *Module) zygotes() (found []Export) {
	for _, name := range []string{WizerInitialize, FaasmZygote} {
		if x, ok := m.Export(name); ok && x.Kind == Func {
			found = append(found, x)
		}
	}
	return found
}

// structors returns the functions that run the constructors and the destructors: by their exports, else by their names. It
// returns -1 where there is none of m's own with the type () -> ().
func (m *Module) structors() (ctors, dtors int) {
	functions := m.Names().Functions
	find := func(name string) int {
		i := -1
		if x, ok := m.Export(name); ok && x.Kind == Func {
			i = int(x.Index)
		} else if !ok {
			for f, n := range functions {
				if n == name && (i < 0 || int(f) < i) {
					i = int(f)
				}
			}
		}
		if i < m.importedFuncs || i >= len(m.Funcs) || !m.FuncType(uint32(i)).equal(nil, nil) {
			return -1
		}
		return i
	}
	ctors, dtors = find(ctorsName), find(dtorsName)
	for _, name := range []string{entryReactor, entryCommand, initialize, WizerInitialize, FaasmZygote, WizerResume, Restored} {
		x, ok := m.Export(name) // a function of the author's has to run whenever it is called
		if ok && x.Kind == Func && int(x.Index) == ctors {
			ctors = -1
		}
		if ok && x.Kind == Func && int(x.Index) == dtors {
			dtors = -1
		}
	}
	if ctors == dtors {
		dtors = -1
	}
	return ctors, dtors
}

// guarded returns sites with one more of kind o, at the entry of function f, a defined one.
func (m *Module) guarded(sites []site, f int, o op) []site {
	b := m.bodies[f-m.importedFuncs]
	r := &reader{b: m.raw[:b.end], p: b.start}
	for range r.u32() { // Parse has seen them
		r.u32()
		r.valType()
	}
	at := 0
	for at < len(sites) && sites[at].at < r.p {
		at++
	}
	out := make([]site, 0, len(sites)+1)
	out = append(append(out, sites[:at]...), site{span: span{r.p, r.p}, op: o})
	return append(out, sites[at:]...)
}

// guardCode returns at once when global ran is not zero, and sets it.
func guardCode(ran uint32) []byte { return append(holdCode(ran), setCode(ran, 1)...) }

// zygote adds what a module with a zygote needs, whose constructors and destructors (-1 for none) are guarded.
func (p *prepass) zygote(ctors, dtors int) {
	p.ran = p.global()
	p.export(ctorsRan, GlobalKind, p.ran)
	p.export(Ctors, Func, uint32(ctors))
	if dtors < 0 {
		return
	}
	p.held = p.global()
	p.export(dtorsHeld, GlobalKind, p.held)
	for _, z := range p.m.zygotes() {
		code := append([]byte{0}, setCode(p.held, 1)...) // no locals
		code = append(append(code, call(z.Index)...), setCode(p.held, 0)...)
		f := p.function(p.m.Funcs[z.Index], append(code, byte(opEnd)), Held+z.Name)
		p.export(Held+z.Name, Func, f)
	}
}

// guards returns the functions that run m's constructors and destructors, -1 where they are not to be guarded, and sites with
// their entries.
func (m *Module) guards(sites []site) (ctors, dtors int, _ []site) {
	first, last := opGuard, opHold
	switch {
	case m.linksIn():
		return -1, -1, sites
	case len(m.zygotes()) > 0:
	case m.opens() && m.isCommand():
		first, last = opFirst, opLast
	default:
		return -1, -1, sites
	}
	if ctors, dtors = m.structors(); ctors < 0 {
		return -1, -1, sites
	}
	sites = m.guarded(sites, ctors, first)
	if dtors >= 0 {
		sites = m.guarded(sites, dtors, last)
	}
	return ctors, dtors, sites
}

// isCommand reports whether m is entered at its _start.
func (m *Module) isCommand() bool {
	start, starts := m.Export(entryCommand)
	handle, handles := m.Export(entryReactor)
	return starts && start.Kind == Func && !(handles && handle.Kind == Func)
}

// nested adds what a command that loads libraries needs, whose constructors are guarded.
func (p *prepass) nested() {
	p.ran, p.held = p.global(), p.global()
	p.export(ctorsRan, GlobalKind, p.ran)
	p.export(dtorsHeld, GlobalKind, p.held)
}

// firstCode counts one more export that runs, and returns when global ran is not zero, which it sets.
func firstCode(ran, running uint32) []byte {
	return append(countCode(running, opI32Add), guardCode(ran)...)
}

// lastCode counts one less, and returns when another still runs.
func lastCode(running uint32) []byte {
	code := appendU32(append(countCode(running, opI32Sub), byte(opGlobalGet)), running)
	return append(code, byte(opI32Const), 0, byte(opI32GtS), byte(opIf), blockEmpty, byte(opReturn), byte(opEnd))
}

// countCode adds one to a global, or takes it off.
func countCode(global uint32, o op) []byte {
	code := appendU32([]byte{byte(opGlobalGet)}, global)
	return appendU32(append(code, byte(opI32Const), 1, byte(o), byte(opGlobalSet)), global)
}

// setCode sets a global to a small number.
func setCode(global uint32, n byte) []byte {
	return appendU32([]byte{byte(opI32Const), n, byte(opGlobalSet)}, global)
}

// holdCode returns at once when global held is not zero.
func holdCode(held uint32) []byte {
	return append(appendU32([]byte{byte(opGlobalGet)}, held), byte(opIf), blockEmpty, byte(opReturn), byte(opEnd))
}

// checkZygote checks the types of the initialisers and decides how a command with one is entered.
func (m *Module) checkZygote(info *Info) error {
	for _, x := range []struct {
		name, want string
		types      []FuncType
	}{
		{WizerInitialize, "() -> ()", []FuncType{{}}},
		{FaasmZygote, "() -> i32", []FuncType{{Results: []byte{i32}}, {}}},
		{WizerResume, "() -> ()", []FuncType{{}}},
	} {
		if ok, why := m.entry(x.name, x.want, x.types...); !ok && why != "" {
			return invalid("%s", why)
		}
	}
	has := func(name string) bool { _, ok := m.Export(name); return ok }
	ctors, dtors := -1, -1
	if len(m.zygotes()) > 0 {
		ctors, dtors = m.structors()
	}
	info.Inits, info.Entry, info.NoZygote = initsOf(info.Entry, has, ctors >= 0, ctors >= 0 && dtors >= 0)
	return nil
}

// initsOf returns, by what a module exports, the exports that are run once before any call enters it at entry, and where
// calls enter it when they were; guarded says that its constructors are run at most once, held that its destructors are not
// after a zygote. No zygote of a command is among them where its constructors would run again after it; why says so.
func initsOf(entry string, has func(name string) bool, guarded, held bool) (inits []string, at, why string) {
	var zygote []string
	for _, name := range []string{WizerInitialize, FaasmZygote} {
		switch {
		case !has(name):
		case held:
			zygote = append(zygote, Held+name)
		default:
			zygote = append(zygote, name)
		}
	}
	if guarded {
		inits = append(inits, Ctors)
	}
	switch {
	case entry == entryReactor:
		if has(initialize) {
			inits = append(inits, initialize)
		}
	case len(zygote) == 0:
	case has(WizerInitialize) && has(WizerResume):
		entry = WizerResume
	case !guarded:
		return nil, entry, NoResume
	}
	return append(inits, zygote...), entry, ""
}

// Initialisers is Info.Inits and Info.Entry by the exported functions of an instrumented module, for one that was checked
// before it was compiled. entry is "handle" or "_start".
func Initialisers(entry string, has func(name string) bool) (inits []string, at string) {
	inits, at, _ = initsOf(entry, has, has(Ctors), has(Held+WizerInitialize) || has(Held+FaasmZygote))
	return inits, at
}

// InitNames returns the names under which the author of a module knows what is run to initialise it, in order.
func InitNames(exports []string) (names []string) {
	for _, x := range exports {
		if name := InitName(x); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// InitName returns the name under which the author of a module knows one of its Info.Inits, or StartFunc; "" for one that is
// not the author's.
func InitName(export string) string {
	switch {
	case export == Ctors:
		return ""
	case export == StartFunc:
		return "start"
	}
	return strings.TrimPrefix(export, Held)
}
