package wasmbin

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
const (
	Ctors     = Reserved + "ctors"
	ctorsRan  = Reserved + "ctors_ran" // the exported global that says so
	ctorsName = "__wasm_call_ctors"
)

// NoResume is why a command's zygote is not run.
const NoResume = "its zygote is not run: nothing tells which function runs the constructors, and \"_start\" would run them " +
	"again (link with -Wl,--export=__wasm_call_ctors or without -s, or export \"wizer.resume\")"

// opGuard marks the site at the entry of the constructors.
const opGuard op = 0xffff0000

// hasZygote reports whether m exports an initialiser that is no standard of WASI.
func (m *Module) hasZygote() bool {
	for _, name := range []string{WizerInitialize, FaasmZygote} {
		if x, ok := m.Export(name); ok && x.Kind == Func {
			return true
		}
	}
	return false
}

// ctors returns the function that runs the constructors: by its export, else by its name. It returns -1 when there is none
// of m's own with the type () -> ().
func (m *Module) ctors() int {
	i := -1
	if x, ok := m.Export(ctorsName); ok {
		if x.Kind == Func {
			i = int(x.Index)
		}
	} else {
		for f, name := range m.Names().Functions {
			if name == ctorsName && (i < 0 || int(f) < i) {
				i = int(f)
			}
		}
	}
	if i < m.importedFuncs || i >= len(m.Funcs) || !m.FuncType(uint32(i)).equal(nil, nil) {
		return -1
	}
	return i
}

// guarded returns sites with one more, at the entry of function f, a defined one.
func (m *Module) guarded(sites []site, f int) []site {
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
	out = append(append(out, sites[:at]...), site{span: span{r.p, r.p}, op: opGuard})
	return append(out, sites[at:]...)
}

// guardCode returns at once when global ran is not zero, and sets it.
func guardCode(ran uint32) []byte {
	code := appendU32([]byte{byte(opGlobalGet)}, ran)
	code = append(code, byte(opIf), blockEmpty, byte(opReturn), byte(opEnd), byte(opI32Const), 1, byte(opGlobalSet))
	return appendU32(code, ran)
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
	info.Inits, info.Entry, info.NoZygote = initsOf(info.Entry, has, m.hasZygote() && m.ctors() >= 0)
	return nil
}

// initsOf returns, by what a module exports, the exports that are run once before any call enters it at entry, and where
// calls enter it when they were; guarded says that its constructors are run at most once. No zygote of a command is
// among them where its constructors would run again after it; why says so.
func initsOf(entry string, has func(name string) bool, guarded bool) (inits []string, at, why string) {
	var zygote []string
	for _, name := range []string{WizerInitialize, FaasmZygote} {
		if has(name) {
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
	inits, at, _ = initsOf(entry, has, has(Ctors))
	return inits, at
}
