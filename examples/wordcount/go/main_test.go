package main

import (
	"testing"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func TestWordcount(t *testing.T) {
	for in, want := range map[string]string{
		"": "lines           0\nwords           0\ndifferent       0\n",
		"The fish, the 'Fish': don't!\nÜber über\n": "lines           2\nwords           7\ndifferent       4\n" +
			"      2 fish\n      2 the\n      2 über\n      1 don't\n",
	} {
		out, err := shoal.Run([]byte(in))
		if err != nil || string(out) != want {
			t.Errorf("%q: got\n%s%v; want\n%s", in, out, err, want)
		}
	}
	if out, err := shoal.Run([]byte{'a', 0xff}); err == nil {
		t.Errorf("no text: got %q, want an error", out)
	}
}
