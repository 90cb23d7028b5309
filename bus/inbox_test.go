package bus

import "testing"

func TestClientReply(t *testing.T) {
	for subject, want := range map[string]bool{
		"_INBOX.x.y":           true,
		"_INBOX_alice.x":       true,
		"":                     false,
		InboxPrefix() + ".x":   false,
		UploadSubject():        false,
		"$JS.API.STREAM.PURGE": false,
		"x_INBOX.y":            false,
	} {
		if got := ClientReply(subject); got != want {
			t.Errorf("%q: %v", subject, got)
		}
	}
}
