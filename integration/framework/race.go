//go:build race

package framework

// RaceDetector says whether this test has the race detector; then the binaries have it too.
const RaceDetector = true
