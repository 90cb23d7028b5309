// Package telemetry holds what logs, metrics and traces of all services have in common.
package telemetry

// Keys of log attributes. A value under one of these keys means the same in every service's log.
const (
	KeyCall    = "call"    // a call's id
	KeyFunc    = "func"    // tenant/function
	KeyVersion = "version" // the first digits of a version
	KeyWorker  = "worker"  // a worker's id
	KeyErr     = "err"     // what went wrong
)
