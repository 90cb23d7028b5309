// Package bus is the contract between the parts of Shoal, and between Shoal and everybody else's programs: the subjects,
// the headers, the messages and the codes that travel over NATS.
//
// A third party needs only a subject: publish a request to CallSubject(name) and the reply's body is the function's
// output. Client does that with errors as values. Everything that is not a call's body is a header (see the Header
// constants); every control message is a typed JSON document with a golden file under testdata.
//
// The package is pure Go and imports nothing of Shoal but bus/faas.
package bus
