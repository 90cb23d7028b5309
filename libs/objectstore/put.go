package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

const (
	chunkSize = 128 << 10 // as the nats.go client
	window    = 32        // unacknowledged chunks of one Put; with their buffers, its memory: 4 MiB
)

// Put stores what r gives until io.EOF under name, in the place of what was there. Until it returns, readers get the old
// object; after an error too. When the same bytes are there already, only their time changes. Of two concurrent puts the
// one that ends last stays, whole.
//
// It fails with too_large beyond Options.MaxObject, with unavailable when the store is full or the server away, and with
// r's own error.
func (s *Store) Put(ctx context.Context, name string, r io.Reader) (Info, error) {
	if _, err := s.stat(ctx, name); err != nil { // of the name, before the work
		return Info{}, err
	}
	return s.put(ctx, name, r, nil)
}

// PutNamed is Put for an object whose name follows from what it is: name is asked for it when every byte is in the store.
// Its error is that of the Put.
func (s *Store) PutNamed(ctx context.Context, r io.Reader, name func(Info) (string, error)) (Info, error) {
	return s.put(ctx, "", r, name)
}

func (s *Store) put(ctx context.Context, name string, r io.Reader, rename func(Info) (string, error)) (Info, error) {
	info := Info{Name: name, nuid: nuid.Next()}
	err := s.putChunks(ctx, &info, r)
	if err == nil && rename != nil {
		info.Name, err = rename(info)
	}
	if err == nil {
		err = s.commit(ctx, &info)
	}
	if err != nil {
		s.forget(ctx, info.nuid)
		return Info{}, natserr.Wrap(err, strings.TrimSpace("put object "+info.Name))
	}
	return info, nil
}

// Sum returns the sha256 of the object in hexadecimal digits, "" when the digest is none.
func (i Info) Sum() string {
	b, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(i.Digest, "SHA-256="))
	if err != nil || len(b) != sha256.Size {
		return ""
	}
	return hex.EncodeToString(b)
}

// commit makes info the object of its name. When the same bytes are there under another nuid, they stay instead.
func (s *Store) commit(ctx context.Context, info *Info) error {
	for {
		old, err := s.stat(ctx, info.Name)
		if err != nil {
			return err
		}
		written := info.nuid
		if old.nuid != "" && old.Digest == info.Digest && old.Size == info.Size {
			info.nuid = old.nuid
		}
		err = s.putMeta(ctx, info, old.seq)
		if natserr.IsConflict(err) {
			info.nuid = written
			continue
		}
		if err != nil {
			info.nuid = written // what the caller takes back
			return err
		}
		switch {
		case info.nuid != written:
			s.forget(ctx, written)
		case old.nuid != "":
			s.forget(ctx, old.nuid)
		}
		return nil
	}
}

// putMeta publishes the meta message that makes an object, if the last one has the sequence seq still; it sets info's own.
func (s *Store) putMeta(ctx context.Context, info *Info, seq uint64) error {
	body, err := json.Marshal(jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: info.Name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize}},
		Bucket:     s.bucket,
		NUID:       info.nuid,
		Size:       uint64(info.Size),
		Chunks:     uint32((info.Size + chunkSize - 1) / chunkSize),
		Digest:     info.Digest,
	})
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: s.metaSubject(info.Name), Data: body, Header: nats.Header{
		jetstream.MsgRollup: {jetstream.MsgRollupSubject},
	}}
	ack, err := s.pub.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(seq))
	if err != nil {
		return err
	}
	info.seq, info.Time = ack.Sequence, time.Now()
	return nil
}

// putChunks publishes r in chunks and waits for every acknowledgement; it sets info's size and digest.
func (s *Store) putChunks(ctx context.Context, info *Info, r io.Reader) (err error) {
	type slot struct {
		buf []byte
		ack jetstream.PubAckFuture
	}
	var (
		slots   [window]slot
		sum     = sha256.New()
		subject = s.chunkSubject(info.nuid)
		next    int
	)
	defer func() { // the buffers are the client's until it has the answers
		for i := range slots {
			if e := waitAck(ctx, slots[(next+i)%window].ack); err == nil {
				err = e
			}
		}
	}()
	for done := false; !done; next = (next + 1) % window {
		slot := &slots[next]
		if err := waitAck(ctx, slot.ack); err != nil {
			slot.ack = nil
			return err
		}
		slot.ack = nil
		if slot.buf == nil {
			slot.buf = make([]byte, chunkSize)
		}
		n, err := fill(r, slot.buf)
		if done = errors.Is(err, io.EOF); err != nil && !done {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if info.Size += int64(n); s.opts.MaxObject > 0 && info.Size > s.opts.MaxObject {
			return faas.Errorf(faas.TooLarge, "object %s has more than %s", info.Name, faas.Size(s.opts.MaxObject))
		}
		sum.Write(slot.buf[:n])
		if slot.ack, err = s.pub.PublishMsgAsync(&nats.Msg{Subject: subject, Data: slot.buf[:n]}); err != nil {
			return err
		}
	}
	info.Digest = digestOf(sum)
	return nil
}

// fill reads until buf is full or r fails. Unlike io.ReadFull it tells the end of r (io.EOF) from an io.ErrUnexpectedEOF
// of r's own, which is how net/http reports a body that was cut off.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func waitAck(ctx context.Context, ack jetstream.PubAckFuture) error {
	if ack == nil {
		return nil
	}
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget purges chunks that no object has. A failure leaves them to Sweep.
func (s *Store) forget(ctx context.Context, nuid string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = s.purgeChunks(ctx, nuid)
}

func digestOf(h hash.Hash) string { return jetstream.GetObjectDigestValue(h) }
