// Package faaslettest is for tests and benchmarks of packages that may not import the engine's parts: it assembles guests
// and times what a Faaslet is made of, which package faaslet does not show.
package faaslettest
