package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errAway = errors.New("away")

// TestRetry tries 41 times, a quarter of a second apart, and tells at once and then every 5 s.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		var told []time.Duration
		err := Retry(t.Context(), Patience{Tell: func(why error) {
			if !errors.Is(why, errAway) {
				t.Errorf("told of %v", why)
			}
			told = append(told, time.Since(began))
		}}, func() error {
			if tries++; tries <= 41 {
				return errAway
			}
			return nil
		})
		if err != nil || tries != 42 || time.Since(began) != 41*250*time.Millisecond {
			t.Errorf("%v after %d tries and %v", err, tries, time.Since(began))
		}
		if len(told) != 3 || told[0] != 0 || told[1] != 5*time.Second || told[2] != 10*time.Second {
			t.Errorf("told after %v", told)
		}
	})
}

func TestRetryFinal(t *testing.T) {
	tries := 0
	err := Retry(t.Context(), Patience{Final: func(err error) bool { return errors.Is(err, errAway) }}, func() error {
		tries++
		return errAway
	})
	if !errors.Is(err, errAway) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestRetryStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(cause) })
		began := time.Now()
		if err := Retry(ctx, Patience{Pause: time.Minute}, func() error { return errAway }); !errors.Is(err, cause) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
