//go:build race

package framework

// raceDetector says whether this test has the race detector; then the binaries have it too.
const raceDetector = true
