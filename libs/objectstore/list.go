package objectstore

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/libs/natserr"
)

// lookUps is how many objects List looks up at once: a bucket of hundreds of thousands must not take a round trip after the
// other for each.
const lookUps = 32

// List returns the objects whose names begin with prefix, in no order. Each is looked up by itself: a consumer would be quicker
// and may miss one that is touched meanwhile, whose pieces a sweep would then take for nobody's.
func (s *Store) List(ctx context.Context, prefix string) ([]Info, error) {
	what := "list bucket " + s.bucket
	state, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.metaSubject("")+">"))
	if err != nil {
		return nil, natserr.Wrap(err, what)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	names := make(chan string)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		out []Info
	)
	for range min(lookUps, len(state.State.Subjects)) {
		wg.Go(func() {
			for name := range names {
				info, err := s.stat(ctx, name)
				if err != nil {
					cancel(err) // the first one counts
					return
				}
				if info.nuid != "" {
					mu.Lock()
					out = append(out, info)
					mu.Unlock()
				}
			}
		})
	}
	for subject := range state.State.Subjects {
		name, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(subject, s.metaSubject("")))
		if err != nil || !strings.HasPrefix(string(name), prefix) {
			continue
		}
		select {
		case names <- string(name):
			continue
		case <-ctx.Done():
		}
		break
	}
	close(names)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, natserr.Wrap(context.Cause(ctx), what)
	}
	return out, nil
}
