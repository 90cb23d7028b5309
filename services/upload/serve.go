package upload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

var errLeft = faas.Errorf(faas.Cancelled, "nobody waits for the deploy any more")

// receive runs on the subscription's goroutine: it only hands over.
func (s *Service) receive(ctx context.Context, m *nats.Msg) {
	req, err := bus.Unmarshal[bus.UploadRequest](m.Data)
	if err != nil {
		s.answer(m, bus.EncodeError(err, m.Reply))
		return
	}
	q, timeout := s.changes, changeTimeout
	if req.Kind == bus.Deploy {
		q, timeout = s.deploys, s.cfg.DeployTimeout
	}
	late := faas.Errorf(faas.DeadlineExceeded, "%s of %s took more than %s", req.Kind, req.Name, faas.Duration(timeout))
	ctx, end := context.WithCancelCause(ctx)
	ctx, stop := context.WithTimeoutCause(ctx, timeout, late)
	j := &job{msg: m, req: req, ctx: ctx, cancel: func(cause error) { end(cause); stop() }}
	if req.Progress {
		s.tell(m.Reply, bus.UploadWaiting)
	}
	if err := q.add(j); err != nil {
		j.cancel(err)
		s.drop(j)
		return
	}
	if s.hasLeft(req.Object) { // it said so before it was in the queue
		s.giveUp(req.Object)
	}
}

// receiveCancel hears of every client that left, of whichever service's deploy. Two subjects come in no order, so one whose
// deploy is not known may still come.
func (s *Service) receiveCancel(m *nats.Msg) {
	req, err := bus.Unmarshal[bus.UploadRequest](m.Data)
	if err != nil || req.Kind != bus.CancelDeploy || req.Object == "" {
		s.log.Warn("cancellation not understood", "kind", req.Kind, telemetry.KeyErr, err)
		return
	}
	s.mu.Lock()
	s.left = append(s.left, req.Object)
	if len(s.left) > maxLeft {
		s.left = slices.Delete(s.left, 0, maxLeft/2)
	}
	s.mu.Unlock()
	s.giveUp(req.Object)
}

func (s *Service) hasLeft(object string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return object != "" && slices.Contains(s.left, object)
}

func (s *Service) giveUp(object string) {
	for _, j := range s.deploys.giveUp(object, errLeft) {
		s.drop(j)
	}
}

// drop answers a job that got no slot, or got one and had to yield it, with what ended it. Its staging object goes later.
func (s *Service) drop(j *job) {
	s.meters.ended(j.req.Kind, context.Cause(j.ctx))
	s.answer(j.msg, bus.EncodeError(context.Cause(j.ctx), j.msg.Reply))
	if j.staged() {
		select {
		case s.refuse <- j.req.Object:
		default: // in a flood the gateway deletes it, or else the sweep
		}
	}
	j.cancel(nil)
}

// staged reports whether the job has a staging object to delete.
func (j *job) staged() bool {
	return j.req.Kind == bus.Deploy && strings.HasPrefix(j.req.Object, stagingPrefix)
}

// tidy deletes the staging objects of deploys that were not begun, until ctx ends.
func (s *Service) tidy(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case object := <-s.refuse:
			s.unstage(ctx, object)
		}
	}
}

// tidyLast deletes what tidy has left, as long as that is quick. Preconditions: nothing is received or done any more.
func (s *Service) tidyLast() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for {
		select {
		case object := <-s.refuse:
			if err := s.cfg.Store.Delete(ctx, object); err != nil && faas.CodeOf(err) != faas.NotFound {
				s.log.Warn("staging object not deleted", "object", object, telemetry.KeyErr, err)
			}
		default:
			return
		}
	}
}

// watch tells of the jobs that go on, and answers those whose time was over while they waited, until ctx ends.
func (s *Service) watch(ctx context.Context) {
	beat, tick := time.NewTicker(bus.UploadBeat), time.NewTicker(expireEvery)
	defer beat.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			for reply, state := range s.deploys.followed() {
				s.tell(reply, state)
			}
		case <-tick.C:
			for _, j := range append(s.deploys.expired(), s.changes.expired()...) {
				s.drop(j)
			}
		}
	}
}

// tell sends whoever waits for an answer word that the service has the request.
func (s *Service) tell(reply string, state bus.UploadState) {
	if reply == "" {
		return
	}
	if err := s.cfg.NC.Publish(reply, bus.Marshal(bus.UploadProgress{State: state})); err != nil {
		s.log.Debug("progress not told", telemetry.KeyErr, err)
	}
}

// do makes one attempt at a job; ctx ends with the attempt.
func (s *Service) do(ctx context.Context, q *queue, j *job) {
	reply, err := s.perform(ctx, q, j)
	if !q.done(j, err) {
		return
	}
	if j.staged() {
		s.unstage(ctx, j.req.Object)
	}
	if err != nil {
		err = s.why(j, err)
	}
	s.meters.ended(j.req.Kind, err)
	if err == nil {
		s.answer(j.msg, &nats.Msg{Subject: j.msg.Reply, Data: bus.Marshal(reply)})
	} else {
		s.answer(j.msg, bus.EncodeError(err, j.msg.Reply))
	}
	j.cancel(nil)
}

func (s *Service) perform(ctx context.Context, q *queue, j *job) (bus.UploadReply, error) {
	begin := func() error { return q.write(ctx, j) }
	switch j.req.Kind {
	case bus.Deploy:
		return s.deploy(ctx, j.req, begin)
	case bus.Change:
		return s.change(ctx, j.req, begin)
	case bus.Remove:
		return s.remove(ctx, j.req, begin)
	}
	return bus.UploadReply{}, faas.Errorf(faas.BadRequest, "upload request %q: want deploy, change or remove", j.req.Kind)
}

// why is what a job that failed with err is answered.
func (s *Service) why(j *job, err error) error {
	switch {
	case j.ctx.Err() != nil:
		return context.Cause(j.ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return faas.Errorf(faas.DeadlineExceeded, "%s of %s took too long", j.req.Kind, j.req.Name)
	case faas.CodeOf(err) == faas.Internal:
		s.log.Error("request not done", "kind", j.req.Kind, telemetry.KeyFunc, j.req.Name.String(), telemetry.KeyErr, err)
	}
	return err
}
