package wasmbin

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// The section ids.
const (
	secCustom    = 0
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
	secTag       = 13
)

type sectionKind struct {
	name  string
	order int
}

// sectionKinds has each section's name, and its place in a module: order grows from section to section.
var sectionKinds = [...]sectionKind{
	secCustom: {"custom", 0}, secType: {"type", 1}, secImport: {"import", 2}, secFunction: {"function", 3},
	secTable: {"table", 4}, secMemory: {"memory", 5}, secTag: {"tag", 6}, secGlobal: {"global", 7},
	secExport: {"export", 8}, secStart: {"start", 9}, secElement: {"element", 10}, secDataCount: {"datacount", 11},
	secCode: {"code", 12}, secData: {"data", 13},
}

// Ceilings. Those that the engine has too are its own, or a little below, so that what Instrument adds still fits.
const (
	maxName      = 100_000
	maxSections  = 10_000
	maxTypes     = faas.MaxTypes
	maxFuncs     = faas.MaxFunctions
	maxGlobals   = 999_000
	maxImports   = faas.MaxImports
	maxExports   = 100_000
	maxTables    = 100
	maxMemories  = 100
	maxSegments  = 100_000
	maxParams    = 1_000
	maxLocals    = 50_000
	maxBody      = 7_654_321
	maxPages     = 1 << 16 // of a 32-bit memory
	maxElemItems = faas.MaxTableElements
)

// Parse reads a module. Every error is a *FormatError.
func Parse(module []byte) (*Module, error) {
	return parse(module, false)
}

// parse is Parse, or where skims reads all but the code: the Module knows nothing of that and can't be instrumented.
func parse(module []byte, skims bool) (*Module, error) {
	if err := preamble(module); err != nil {
		return nil, err
	}
	m := &Module{Start: -1, raw: module}
	p := &parser{m: m, dataCount: -1, skims: skims}
	r := &reader{b: module, p: 8}
	for r.left() > 0 {
		if err := p.section(r); err != nil {
			return nil, err
		}
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return m, nil
}

// preamble checks the first eight bytes, and names what else the bytes may be.
func preamble(b []byte) error {
	if len(b) == 0 {
		return &FormatError{Reason: "not a WebAssembly module (empty)"}
	}
	n := min(len(b), 4)
	if string(b[:n]) != "\x00asm"[:n] {
		return &FormatError{Reason: fmt.Sprintf("not a WebAssembly module (starts with %s)", opening(b))}
	}
	if len(b) < 8 {
		return &FormatError{Offset: len(b), Reason: "truncated: needs " + moreBytes(8-len(b))}
	}
	switch v := b[4:8]; {
	case bytes.Equal(v, []byte{1, 0, 0, 0}):
		return nil
	case v[2] == 1 && v[3] == 0:
		return &FormatError{Reason: "a component, not a core module: build for wasm32-wasip1 (not wasip2), " +
			"or take the core module out of it with `wasm-tools component unbundle`"}
	default:
		return &FormatError{Offset: 4, Reason: fmt.Sprintf("version % x of the binary format: only 01 00 00 00 is known", v)}
	}
}

// opening describes the first bytes of what is no module.
func opening(b []byte) string {
	for _, k := range []struct{ prefix, what string }{
		{"\x7fELF", "a native ELF program: build for wasm32-wasip1"},
		{"\xcf\xfa\xed\xfe", "a native Mach-O program: build for wasm32-wasip1"},
		{"MZ", "a native Windows program: build for wasm32-wasip1"},
		{"BC\xc0\xde", "LLVM bitcode: link it to a module"},
		{"!<arch>\n", "an archive: link it to a module"},
		{"\x1f\x8b", "gzip: unpack it first"},
		{"PK\x03\x04", "zip: unpack it first"},
		{"\x28\xb5\x2f\xfd", "zstd: unpack it first"},
	} {
		if strings.HasPrefix(string(b[:min(len(b), 16)]), k.prefix) {
			return fmt.Sprintf("%q, %s", k.prefix, k.what)
		}
	}
	head := bytes.TrimLeft(b[:min(len(b), 4096)], " \t\r\n")
	if bytes.HasPrefix(head, []byte("(module")) || bytes.HasPrefix(head, []byte(";;")) {
		return fmt.Sprintf("%q, the text format: assemble it with wat2wasm", head[:min(len(head), 8)])
	}
	return fmt.Sprintf("%q", b[:min(len(b), 8)])
}

// parser is the state of a Parse between sections.
type parser struct {
	m         *Module
	order     int    // of the last section that is not custom
	last      string // its name
	code      bool
	skims     bool
	dataCount int // what the datacount section says, -1 without one
}

// section reads the next section from r, which holds the rest of the module.
func (p *parser) section(r *reader) error {
	if len(p.m.sections) == maxSections {
		return &FormatError{Offset: r.p, Reason: fmt.Sprintf("too many sections: no more than %d are allowed", maxSections)}
	}
	s := section{at: r.p}
	s.id = r.u8()
	if int(s.id) >= len(sectionKinds) {
		return &FormatError{Offset: s.at, Reason: fmt.Sprintf("unknown section %d", s.id)}
	}
	kind := sectionKinds[s.id]
	size := r.u32()
	if r.err != nil {
		r.err.Section = kind.name
		return r.err
	}
	if n := int64(size) - int64(r.left()); n > 0 {
		return &FormatError{Section: kind.name, Offset: len(r.b), Reason: "truncated: needs " + moreBytes(int(n))}
	}
	s.start = r.p
	s.end = s.start + int(size)
	r.p = s.end
	in := &reader{b: r.b[:s.end], p: s.start, section: kind.name}
	if s.id == secCustom {
		s.name = in.name()
		s.start = in.p
	} else {
		if kind.order == p.order {
			return &FormatError{Section: kind.name, Offset: s.at, Reason: "second section of its kind"}
		}
		if kind.order < p.order {
			return &FormatError{Section: kind.name, Offset: s.at, Reason: "out of order: it comes after section " + p.last}
		}
		p.order, p.last = kind.order, kind.name
		p.contents(in, &s)
		in.end()
	}
	if in.err != nil {
		return in.err
	}
	p.m.sections = append(p.m.sections, s)
	return nil
}

// contents reads what is in a section that is not custom.
func (p *parser) contents(r *reader, s *section) {
	switch s.id {
	case secType:
		p.types(r, s)
	case secImport:
		p.imports(r)
	case secFunction:
		p.functions(r, s)
	case secTable:
		p.tables(r)
	case secMemory:
		p.memories(r)
	case secGlobal:
		p.globals(r, s)
	case secExport:
		p.exports(r, s)
	case secStart:
		p.start(r)
	case secElement:
		p.elements(r)
	case secDataCount:
		p.dataCount = int(r.u32())
	case secCode:
		if p.skims {
			p.code = true
			r.skip(r.left())
			return
		}
		p.codes(r, s)
	case secData:
		p.datas(r)
	case secTag:
		r.fail(s.at, "exceptions: %s", noExceptions)
	}
}

// finish checks what only the whole module shows.
func (p *parser) finish() error {
	m := p.m
	if n := len(m.Funcs) - m.importedFuncs; !p.code && n > 0 {
		return &FormatError{Offset: len(m.raw), Reason: fmt.Sprintf("no section code: %d functions need one", n)}
	}
	if p.dataCount >= 0 && p.dataCount != m.Datas {
		return &FormatError{
			Section: "datacount", Offset: len(m.raw),
			Reason: fmt.Sprintf("wrong count: it says %d data segments, there are %d", p.dataCount, m.Datas),
		}
	}
	return nil
}
