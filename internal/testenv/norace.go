//go:build !race

package testenv

// Race says whether this test has the race detector.
const Race = false
