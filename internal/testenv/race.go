//go:build race

package testenv

// Race says whether this test has the race detector, with which code is some ten times slower.
const Race = true
