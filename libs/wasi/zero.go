package wasi

// Zero clears b, as a gigabyte takes longer than the call may outlive its deadline. It reports false when the call ended before
// that; a part was cleared then.
func (s *System) Zero(b []byte) bool {
	for len(b) > copyChunk {
		if s.interrupted() {
			return false
		}
		clear(b[:copyChunk])
		b = b[copyChunk:]
	}
	clear(b)
	return true
}
