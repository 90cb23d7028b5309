// Package sdk holds the tests of the guest SDKs against the host interface: what they import must be there, as they
// declare it.
package sdk
