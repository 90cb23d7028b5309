//go:build linux && cgo

package capi

// #include "capi.h"
import "C"

// Empty makes in a shell: it is again what img has, with no trace of what ran in it, and has no Host until Adopt gives it
// one. It keeps up to limit pages that were written; more are given back to the kernel. When it reports false, in is of no
// more use: memory has grown, or the kernel does not answer.
// Preconditions: in was restored from img, the guest does not run, and nobody kills it.
func (in *Instance) Empty(img *Image, p *Pages, limit int) bool {
	in.host, in.reason = nil, ""
	return bool(C.shoal_instance_empty(in.c, img.pre.p, &img.c, C.int(p.fd), p.how, C.size_t(limit)))
}

// Adopt makes host the one that serves the guest of a shell of img.
func (in *Instance) Adopt(host Host, img *Image) {
	in.host = host
	C.shoal_instance_warm(in.c, &img.c)
}
