// Package faults kills, freezes and cuts off the processes of Shoal under load, and holds what clients and guests saw
// against the promises of DESIGN §9 (ARCHITECTURE.md, Guarantees). Each test names the one that it defends.
//
// A run with more calls than CI has time for:
//
//	go test ./integration/faults -run TestHistory -v -args -calls 100000
package faults
