// Package processes tests the services as an operator has them: real binaries with their flags, signals and exit codes,
// started in whatever order.
package processes
