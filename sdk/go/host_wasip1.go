//go:build wasip1

package shoal

import "unsafe"

// readInputImport copies at most size bytes of the call's input to buf and returns how many. With size 0 it returns the
// size of the input instead.
//
//go:wasmimport env __faasm_read_input
func readInputImport(buf unsafe.Pointer, size uint32) uint32

// writeOutputImport makes size bytes at data the call's output. The last call of it wins.
//
//go:wasmimport env __faasm_write_output
func writeOutputImport(data unsafe.Pointer, size uint32)

// handleExport is the entry point of the module: one run of it is one call.
//
//go:wasmexport handle
func handleExport() int32 { return serve(worker{}) }

// worker is the host behind the imports.
type worker struct{}

func (worker) inputSize() int { return int(readInputImport(nil, 0)) }

func (worker) readInput(buf []byte) int {
	if len(buf) == 0 { // a size of 0 would ask for the size
		return 0
	}
	return int(readInputImport(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf))))
}

func (worker) writeOutput(out []byte) {
	writeOutputImport(unsafe.Pointer(unsafe.SliceData(out)), uint32(len(out)))
}

// logLine writes to standard error through the built-in print, because package os would make the smallest function a
// quarter larger.
func (worker) logLine(line string) { print(line, "\n") }
