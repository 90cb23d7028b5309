package faas

import (
	"strconv"
	"time"
)

// Limit is a default and the ceiling that no setting passes. docs/limits.md is generated from Limits.
type Limit struct {
	Name    string // as the setting or the flag is called
	Default string
	Ceiling string // "" when there is none
	What    string
}

// Defaults and ceilings, in the units of their types.
const (
	DefaultMemory    = 128 * MiB
	MaxMemory        = 4 * GiB
	DefaultTimeout   = 30 * time.Second
	MaxTimeout       = 15 * time.Minute
	DefaultBody      = 32 * MiB // input and output, each
	MaxBody          = 1 * GiB
	DefaultModule    = 64 * MiB
	MaxModule        = 256 * MiB
	DefaultLog       = 64 * KiB // stderr, and stdout that is not the output, per call and stream
	DefaultKeepAlive = 5 * time.Minute
	SlotsPerCore     = 4 // slots of a worker
	QueuePerSlot     = 2 // queued calls per slot of a worker
	MaxSlots         = 1 << 14
	MaxQueue         = 1 << 16
	GuestStack       = 1 * MiB
	FileBytes        = 64 * MiB // files that a call writes
	FileNames        = 4096     // files that a call makes, changes or removes
	InitFileBytes    = 16 * MiB // of files that an initialiser writes
	OpenFiles        = 1024     // descriptors of a call
	LogLines         = 1000
)

// What a module may have, beside its size. Tables and globals take memory in each Faaslet, beside its linear memory; the rest
// bounds what compiling and loading it costs. The largest modules that toolchains make have less than a tenth of each.
const (
	MaxTables        = 16
	MaxTableElements = 1 << 20 // of all tables together, 8 bytes each; and of all element segments
	MaxGlobals       = 50_000
	MaxFunctions     = 200_000 // imports included
	MaxTypes         = 20_000
	MaxTypeValues    = 100_000   // parameters and results of all types
	MaxFuncValues    = 1_000_000 // parameters and results of all functions
	MaxNesting       = 50_000    // blocks within blocks
	MaxImports       = 10_000
	MaxSparseData    = 64 << 20 // bytes
	MaxLibraries     = 32       // that a Faaslet loads with dlopen
	MaxLibrary       = 64 << 20 // bytes of each
)

// Limits returns every limit, for docs and for checks.
func Limits() []Limit {
	return []Limit{
		{"memory", DefaultMemory.String(), MaxMemory.String(), "linear memory of a Faaslet; `memory.grow` fails beyond it"},
		{"timeout", Duration(DefaultTimeout).String(), Duration(MaxTimeout).String(), "wall time of a call, waiting included"},
		{"input", DefaultBody.String(), MaxBody.String(), "body of a call"},
		{"output", DefaultBody.String(), MaxBody.String(), "what a call returns"},
		{"module", DefaultModule.String(), MaxModule.String(), "a WebAssembly module"},
		{"module tables", strconv.Itoa(MaxTables), "", "tables of a module; it is refused beyond this and the following limits"},
		{"module table elements", strconv.Itoa(MaxTableElements), "", "elements of all tables together, 8 bytes each in every Faaslet; `table.grow` fails beyond it. As many in all element segments"},
		{"module globals", strconv.Itoa(MaxGlobals), "", "globals of a module"},
		{"module functions", strconv.Itoa(MaxFunctions), "", "functions of a module, imported ones included"},
		{"module imports", strconv.Itoa(MaxImports), "", "imports of a module"},
		{"module types", strconv.Itoa(MaxTypes), "", "function types of a module"},
		{"module type values", strconv.Itoa(MaxTypeValues), "", "parameters and results of all its function types"},
		{"module function values", strconv.Itoa(MaxFuncValues), "", "parameters and results of all its functions"},
		{"module passed values", "100000 + 4 per byte of module", "", "parameters and results of all calls and blocks in a module that has a type with more than 16"},
		{"module sparse data", Size(MaxSparseData).String(), "", "initial data that is less than half of what it spans and spans more than 16MiB: copying it into each new Faaslet is not interrupted, and takes up to 1 ms per MiB"},
		{"module nesting", strconv.Itoa(MaxNesting), "", "blocks within blocks of a function"},
		{"libraries", strconv.Itoa(MaxLibraries), "", "that a Faaslet loads with `dlopen`, each of at most " + Size(MaxLibrary).String() + ". Together they have as many functions, globals and imports as one module may, and their memory and table elements count as the Faaslet's"},
		{"libraries of a worker", "1GiB", "", "compiled code of all that are loaded, 256MiB of one; those that nobody has open go first. A tenant may have four times what is free, alone 80 %, and compiles one at a time. 64 that were used last, and 512MiB of them, are kept"},
		{"function names", "128 bytes", "", "of a function's name in a backtrace; the rest is cut"},
		{"backtrace", "32 frames", "", "innermost frames that a failed call is answered with"},
		{"error", "60KiB", "", "a failed call's error; stderr and backtrace are cut to fit"},
		{"compile time", "10s + 10s per MiB begun", "", "processor time for compiling a module, by its size, within the compiler's own limit"},
		{"compile memory", "1GiB + 64MiB per MiB begun", "", "memory for compiling a module, within the compiler's own limit"},
		{"artefact", "16MiB + 64MiB per MiB begun", "", "a module's compiled code"},
		{"log", DefaultLog.String(), "", "stderr of a call, and stdout where it is not the output; the rest is dropped and said so"},
		{"file bytes", FileBytes.String(), "", "what the files that a call writes take in memory, in blocks of up to 64 KiB; beyond it, and beyond the memory of running calls, writes fail with EDQUOT. A file ends at 1 TiB, holes included"},
		{"file bytes of initialisers", InitFileBytes.String(), "", "the same of initialisers, whose files are gone afterwards"},
		{"file names", strconv.Itoa(FileNames), "", "files, directories and links that a call makes, and shared ones that it changes or removes; beyond it ENOSPC"},
		{"open files", strconv.Itoa(OpenFiles), "", "descriptors of a call; beyond it EMFILE"},
		{"error stderr", Size(MaxErrorStderr).String(), "", "stderr that travels with a failed call"},
		{"log lines", "1000", "", "lines kept per function for `shoal logs`, each of at most 4 KiB; a worker sends 200 lines and 64 KiB a second for a function after a burst of 1000 lines or 512 KiB, and says how many it dropped"},
		{"memory of running calls", "80 % of the machine's, or of its cgroup's limit", "", "what the memory limits of a worker's running calls, and the files that they wrote, may add up to; beyond it `no_capacity`"},
		{"bodies", "1GiB", "", "what the bodies of a gateway's calls may take together; beyond it `no_capacity`"},
		{"file", MaxFile.String(), "", "a shared file; the gateway's `max-file` may be less"},
		{"file path", "512 bytes", "", "path of a shared file, UTF-8 without control characters; each part between two `/` has at most 255 bytes"},
		{"files", strconv.Itoa(DefaultFiles), strconv.Itoa(MaxFiles), "shared files of a tenant; the gateway's `max-files`"},
		{"size of files", DefaultFileBytes.String(), "", "shared files of a tenant together, each counted with its size, also when others have the same contents; the gateway's `max-files-size`"},
		{"replaced files", "twice files, and twice size of files", "", "what a tenant may replace and delete through a gateway within an hour, for which it is kept; and uploads under way may have the size of files together. Beyond it `rate_limited`"},
		{"stack", Size(GuestStack).String(), "", "of a guest's functions in machine code, beside the stack that its language keeps in linear memory; a call that passes it is `guest_trapped` with the trap `stack_overflow`"},
		{"worker maps", "75 % of vm.max_map_count", "", "memory maps of a worker's modules (3 each), images (2), Faaslets (4) and slots (2). What a call needs beyond this and the following is made room for by giving up what is idle, the least recently used function first; when all is in use the call is refused with `no_capacity`"},
		{"worker address space", "75 % of 128 TiB, or of `ulimit -v`", "", "of a worker's Faaslets (4 GiB each), modules, images and slots"},
		{"worker descriptors", "50 % of `ulimit -n`", "", "of a worker's modules and images, one each; images have half of them at most. Shared files keep an eighth of `ulimit -n` open, 1024 at most. The rest is for connections"},
		{"worker images", "1 GiB", "", "memory that the images which Faaslets are restored from keep, beside their share of descriptors. A tenant's may take four times what is free: alone 80 %, two of them 44 % each. Beyond it functions are built from their modules, and get an image when there is room"},
		{"worker threads", "75 % of `ulimit -u`, kernel.threads-max, kernel.pid_max and the cgroup's pids.max", "", "slots and 1024 more; a worker with more slots than that, or than half of its maps allow, does not start"},
		{"prefetched functions", "50 % of what the worker may have", "", "maps, address space, descriptors and disk that may be taken when a function that was deployed is loaded before its first call. At most 4096 functions wait for that; the others are loaded when they are called"},
		{"slots", "4 × cores", strconv.Itoa(MaxSlots), "running calls of a worker"},
		{"queue", "2 × slots", strconv.Itoa(MaxQueue), "calls that wait on a worker for a slot; up to 16 times as many while they are so short that none waits longer than 100 ms"},
		{"keep_alive", Duration(DefaultKeepAlive).String(), "", "how long an idle Faaslet stays ready"},
		{"reset", string(ResetAlways), "", "what becomes of a Faaslet between calls: `always` puts it back or replaces it; `never` leaves memory and globals as they are for the next call in it, for guests that all their callers may share. A call that fails has its Faaslet replaced all the same; not for commands"},
		{"allow_unknown_imports", "false", "", "whether a module may import functions that the host interface does not have; the guest traps when it calls one. Looked at when a module is deployed"},
		{"hops", "3", "", "how often a call may be passed on before `no_capacity`"},
		{"name", "63 characters", "", "tenant, function and worker names: `[a-z0-9][a-z0-9_-]{0,62}`"},
	}
}
