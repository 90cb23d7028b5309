// Package wasi implements WASI preview1 for Faaslets, on the thread of the call and without an engine.
package wasi
