// Package scaffold makes and builds the folders that people write functions in: it is what `shoal new` and
// `shoal build` do.
//
// A project is a folder with a shoal.yaml that names the function and its language, the sources, and in shoal-sdk a copy
// of the SDK, so that nothing is fetched. Build turns it into NAME.wasm, a module that keeps the names of its functions
// (backtraces show them) and has no debug information. The same sources and the same compiler give the same bytes,
// wherever the folder is: a function's version is the digest of its module.
package scaffold
