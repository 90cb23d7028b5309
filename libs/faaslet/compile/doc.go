// Package compile turns modules into artefacts in a child process, so that a module that breaks the compiler, or makes it
// eat the machine, breaks nothing else.
//
// The child is this same program, re-executed with an empty environment. It has no network, no privileges, no files, and
// limits on memory and processor time; see Confinement for what of that holds on a machine. The module goes in on its
// standard input and the artefact comes out on its standard output. A program that uses a Compiler calls MaybeChild before
// anything else in main, a test in TestMain.
package compile
