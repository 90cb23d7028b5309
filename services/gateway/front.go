package gateway

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/holder"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// newCall makes the call of a client, still without its input: it looks the function up and stamps its version. timeout,
// trace and hostTrace are the client's headers, "" where it sent none. A client can shorten the function's timeout and not lengthen
// it.
func (g *Gateway) newCall(n faas.Name, timeout, trace, hostTrace string) (*faas.Call, *faas.Error) {
	fn, ok := g.cfg.Functions.Get(n)
	if !ok {
		return nil, faas.Errorf(faas.NotFound, "no function %s", n).Hint("deploy it: shoal deploy " + n.String())
	}
	limit := time.Duration(fn.Settings.Timeout)
	if limit == 0 {
		limit = faas.DefaultTimeout
	}
	if timeout != "" {
		wanted, err := bus.ParseTimeout(timeout)
		if err != nil {
			return nil, faas.AsError(err)
		}
		limit = min(limit, wanted)
	}
	id := faas.NewCallID()
	c := &faas.Call{
		ID: id, Root: id, Name: n, Version: fn.Version, Timeout: limit,
		Files: g.cfg.Files.Revision(n.Tenant), HostTrace: hostTrace == bus.HostTraceOn,
	}
	if validTraceParent(trace) {
		c.TraceParent = trace
	}
	return c, nil
}

// hold gives c to the holder, or refuses it when too many are held.
func (g *Gateway) hold(c *faas.Call, done func(*faas.Result)) holder.Handle {
	if g.holder.Held() >= g.cfg.MaxCalls {
		done(&faas.Result{Call: c.ID, Err: &faas.Error{
			Code: faas.NoCapacity, Call: c.ID,
			Message: "the gateway holds as many calls as it can",
		}})
		return holder.Handle{}
	}
	return g.holder.Start(c, func(r *faas.Result) {
		if r.Worker != "" && r.Start != "" {
			fn, ok := g.cfg.Functions.Get(c.Name)
			g.routes.answered(c.Name, c.Version, r.Worker, ok && fn.Version == c.Version)
		}
		if r.Err != nil && r.Err.Code == faas.Internal {
			g.log.Error("call failed", telemetry.KeyCall, c.ID, telemetry.KeyFunc, c.Name, telemetry.KeyWorker, r.Worker, telemetry.KeyErr, r.Err)
		}
		done(r)
	})
}

// natsCall takes the call of a NATS client. It runs on the subscription's goroutine and does not block.
func (g *Gateway) natsCall(m *nats.Msg) {
	if m.Reply != "" && !bus.ClientReply(m.Reply) {
		g.complain(m)
		return
	}
	began := time.Now()
	n, err := bus.ParseCallSubject(m.Subject)
	if err != nil {
		g.refuse(m, err)
		return
	}
	c, refusal := g.newCall(n, first(m, bus.HeaderTimeout), first(m, bus.HeaderTrace), first(m, bus.HeaderHostTrace))
	if refusal == nil && len(m.Data) > int(g.cfg.MaxInput) {
		refusal = tooLarge(g.cfg.MaxInput)
	}
	if refusal != nil {
		g.refuse(m, refusal)
		return
	}
	release := g.bodies.take(int64(len(m.Data)))
	if release == nil {
		g.refuse(m, g.bodies.refusal())
		return
	}
	c.Input = m.Data
	reply := m.Reply
	g.hold(c, func(r *faas.Result) {
		release()
		g.meters.nats.ended(began, r)
		if r.Body != nil {
			g.background.Go(func() { g.replyBody(r, reply) })
			return
		}
		g.reply(bus.EncodeResult(r, reply))
	})
}

// refuse answers a NATS client's call that is not taken.
func (g *Gateway) refuse(m *nats.Msg, err error) {
	g.meters.nats.refused(err)
	g.reply(bus.EncodeError(err, m.Reply))
}

// complain says, at most once a second, that a client wants its answer where clients may not publish.
func (g *Gateway) complain(m *nats.Msg) {
	now := time.Now().Unix()
	if last := g.warned.Load(); now > last && g.warned.CompareAndSwap(last, now) {
		g.log.Warn("call dropped: its reply subject is not an inbox", "subject", m.Subject, "reply", m.Reply)
	}
}

// reply answers a NATS client, if it wants an answer.
func (g *Gateway) reply(m *nats.Msg) {
	if m.Subject == "" {
		return
	}
	if err := g.cfg.Calls.PublishMsg(m); err != nil {
		g.log.Warn("answer not sent", telemetry.KeyErr, err)
	}
}

func first(m *nats.Msg, key string) string {
	if v := m.Header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// validTraceParent reports whether s has the form of a W3C traceparent of version 00 (Trace Context §3.2).
func validTraceParent(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	for i := 3; i < len(s); i++ {
		if c := s[i]; i != 35 && i != 52 && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func tooLarge(limit faas.Size) *faas.Error {
	return faas.Errorf(faas.TooLarge, "the body is larger than %s", limit)
}
