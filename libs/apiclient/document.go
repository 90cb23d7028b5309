package apiclient

import (
	"bytes"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// functionDocument is a faas.Function as HTTP shows it, its name in two members beside the others. (faas.Function embeds
// faas.Name, whose text form a struct that embeds it would inherit for the whole document.)
type functionDocument struct {
	Tenant   string        `json:"tenant"`
	Name     string        `json:"function"`
	Version  faas.Version  `json:"version"`
	Kind     faas.Kind     `json:"kind"`
	Entry    string        `json:"entry"`
	Size     int64         `json:"size"`
	Imports  []faas.Import `json:"imports"`
	Settings faas.Settings `json:"settings"`
	Deployed time.Time     `json:"deployed"`
	Changed  time.Time     `json:"changed"`
	Revision uint64        `json:"revision"`
}

func (d functionDocument) function() faas.Function {
	return faas.Function{
		Name:    faas.Name{Tenant: d.Tenant, Function: d.Name},
		Version: d.Version, Kind: d.Kind, Entry: d.Entry, Size: d.Size, Imports: d.Imports, Settings: d.Settings,
		Deployed: d.Deployed, Changed: d.Changed, Revision: d.Revision,
	}
}

// bytes makes b the request's body.
func (r *request) bytes(b []byte, kind string) {
	r.body, r.size, r.kind = bytes.NewReader(b), int64(len(b)), kind
}
