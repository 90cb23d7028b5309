// Package faas holds the nouns of Shoal: functions, calls, results, workers and errors.
//
// Every part of Shoal speaks in these words, and nothing here knows how they travel: the package imports only the
// standard library, so that the engine, the services and other people's programs can share it.
package faas
