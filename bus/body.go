package bus

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
)

// Bodies that no message can carry go through the bucket PayloadsBucket, which clients can't reach. Whoever has the large
// body stores it under the name below and sends the name; the holder of the call deletes both when it has its answer.
// What a dead holder leaves is gone after PayloadTTL.

// PayloadTTL is how long the bucket keeps a body: longer than a call can take.
const PayloadTTL = faas.MaxTimeout + 10*time.Minute

const (
	// headerRoom is what is left for subject and headers of a message, in bytes.
	headerRoom = 64 << 10
	// inlineBody is the largest body that goes into a message even where the server takes larger ones, in bytes: a
	// connection carries many calls, and by default a server closes one that has 64 MiB to read.
	inlineBody = 1 << 20
)

// LargestBody returns the size of the largest body that goes into a message over a connection whose server takes
// maxPayload bytes.
func LargestBody(maxPayload int64) int {
	return int(max(min(maxPayload-headerRoom, inlineBody), 0))
}

// LargestMessage returns the size of the largest body that a client's message can carry over a connection whose server
// takes maxPayload bytes.
func LargestMessage(maxPayload int64) int { return int(max(min(maxPayload, MaxPayload)-headerRoom, 0)) }

// InputObject names the object that has a call's input.
func InputObject(id faas.CallID) string { return "in/" + id.String() }

// OutputObject names the object that has a call's output.
func OutputObject(id faas.CallID) string { return "out/" + id.String() }

func setBody(h nats.Header, b *faas.Body) {
	if b == nil {
		return
	}
	set(h, HeaderBody, b.Object)
	set(h, HeaderBodySize, strconv.FormatInt(b.Size, 10))
}

// getBody returns the body that m names: nil when it names none. Only the object called want is accepted.
func getBody(m *nats.Msg, want string) (*faas.Body, error) {
	object := get(m, HeaderBody)
	if object == "" {
		return nil, nil
	}
	if object != want {
		return nil, faas.Errorf(faas.BadRequest, "header %s: %q is not %q", HeaderBody, clip(object), want)
	}
	size, err := strconv.ParseInt(get(m, HeaderBodySize), 10, 64)
	if err != nil || size < 0 || size > int64(faas.MaxBody) {
		return nil, faas.Errorf(faas.BadRequest, "header %s: %q is not a size up to %s", HeaderBodySize,
			clip(get(m, HeaderBodySize)), faas.MaxBody)
	}
	return &faas.Body{Object: object, Size: size}, nil
}
