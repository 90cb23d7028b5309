// Package archtest keeps the shape of the tree: which package may import which, one home for each heavy dependency,
// one doc comment per package, files that a person can read, no hidden wiring, tests that neither sleep nor skip by
// themselves. Its test runs every rule over the repository; each rule carries its reason and a test that breaks it.
//
// The rules are the tables in layers.go and homes.go and the list in files.go. To change one, change the table and say
// why in an ADR.
package archtest
