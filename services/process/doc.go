// Package process is what every service needs to be a process of its own: settings that all have, connections that wait
// for their server, the stores behind them, probes, signals and exit codes. It knows no service. A service's own settings
// and wiring are in the package beside its main, as a Program.
package process
