package files

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// What went out of use counts for an hour, of its tenant alone.
func TestUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u usage
		limits := Limits{Files: 2, Bytes: 100}
		check := func(tenant string, code faas.Code) {
			t.Helper()
			if err := u.admit(tenant, limits); faas.CodeOf(err) != code {
				t.Errorf("%s: %v, want %q", tenant, err, code)
			}
		}
		check("me", "")
		for range 3 {
			u.wasted("me", 10)
			time.Sleep(10 * time.Minute)
		}
		check("me", "")
		u.wasted("me", 0)
		check("me", faas.RateLimited)
		check("you", "")
		u.wasted("you", 200)
		check("you", faas.RateLimited)
		time.Sleep(31 * time.Minute) // the first of me is an hour old
		check("me", "")
		check("you", faas.RateLimited)
		time.Sleep(30 * time.Minute)
		check("you", "")
		if n := u.uploaded("me", 7); n != 7 {
			t.Errorf("%d bytes are under way", n)
		}
		if n := u.uploaded("me", -7); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
		time.Sleep(time.Hour)
		for i := range 5000 {
			u.uploaded(fmt.Sprint("t", i), 0)
		}
		if len(u.of) > 4096 {
			t.Errorf("%d tenants are kept", len(u.of))
		}
	})
}
