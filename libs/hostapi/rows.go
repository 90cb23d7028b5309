package hostapi

// New returns the host interface: every row.
func New() Table { return Table{} }
