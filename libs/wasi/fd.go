package wasi

// file is an open descriptor.
type file struct{}
