package bus

import "strings"

const (
	inboxPrefix = "shoalint.v1.inbox"
	clientInbox = "_INBOX"
)

// InboxPrefix is where services take their answers: below shoalint.v1, where no client may listen or write.
//
//	shoalint.v1.inbox.<unique>…
func InboxPrefix() string { return inboxPrefix }

// ClientReply reports whether a client may be answered at a reply subject: one that begins with _INBOX, as those of every
// NATS client do. A server does not check a publisher's permissions on the reply subject that it names, so answering
// anywhere else would let a client publish with the gateway's permissions.
func ClientReply(subject string) bool { return strings.HasPrefix(subject, clientInbox) }
