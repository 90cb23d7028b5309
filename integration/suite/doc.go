// Package suite defends the guarantees of ARCHITECTURE.md against all of Shoal, over the doors that users have: HTTP, NATS
// and the command line. Each test says which one.
package suite
