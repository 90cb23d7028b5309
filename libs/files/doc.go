// Package files keeps the shared files of tenants, which their functions read under "/", and gives them to calls.
//
// The contents are in an object store, one object for each tenant and digest; the index is a key-value bucket with one key
// for each file. Contents are written first: what the index names is whole. Every write to the index compares and sets
// on the tenant as a whole, so that limits and the shape of the tree (a path is a file or a directory) hold whoever else
// writes. Contents that no file has any more stay for a grace period, for calls that began before, and are swept then.
//
// A Store writes and lists. A View mirrors the index of the tenants that are asked for, in memory, as Trees that do not
// change: a call keeps the one that it began with. A Reader makes of a Tree, and of a cache of contents, what a call's
// file system asks for.
//
// Lock order: View.mu, then follower.mu.
package files
