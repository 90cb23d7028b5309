package suite

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// natsCall calls "tenant.function" as any NATS client does.
func natsCall(t testing.TB, nc *nats.Conn, subject string, input []byte) *faas.Result {
	t.Helper()
	m, err := nc.Request("shoal.v1.call."+subject, input, 30*time.Second)
	if err != nil {
		t.Fatalf("request %s: %v", subject, err)
	}
	r := bus.DecodeResult(m)
	if code := m.Header.Get("Shoal-Code"); (r.Err != nil) != (code != "") {
		t.Errorf("Shoal-Code is %q, the error %v", code, r.Err)
	}
	if r.Err != nil && (m.Header.Get("Nats-Service-Error-Code") == "" || m.Header.Get("Nats-Service-Error") == "") {
		t.Errorf("an error without the headers of NATS services: %v", m.Header)
	}
	return r
}
