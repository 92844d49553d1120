package resolve

import (
	"context"
	"encoding/binary"
	"net"
	"time"
)

// tap returns conn, with a copy of what passes going to l. When ctx ends, conn is
// closed: net.Resolver would let a query wait for its time-out. Each connection
// carries one query.
func tap(ctx context.Context, conn net.Conn, l *ledger) net.Conn {
	t := tapped{Conn: conn, ledger: l}
	t.stop = context.AfterFunc(ctx, func() { conn.Close() })
	if packets, ok := conn.(net.PacketConn); ok {
		return &datagrams{t, packets}
	}
	return &stream{tapped: t}
}

// A tapped is what the two kinds of connections share.
type tapped struct {
	net.Conn
	ledger *ledger
	stop   func() bool
	query  query
	asked  bool
}

// SetDeadline leaves time for a query to another server.
func (t *tapped) SetDeadline(at time.Time) error {
	if soon := time.Now().Add(queryTimeout); at.IsZero() || at.After(soon) {
		at = soon
	}
	return t.Conn.SetDeadline(at)
}

func (t *tapped) Close() error {
	t.stop()
	return t.Conn.Close()
}

func (t *tapped) sent(msg []byte) {
	if q, ok := readQuery(msg); ok {
		t.query, t.asked = q, true
		t.ledger.asked(q)
	}
}

func (t *tapped) received(msg []byte) {
	if t.asked {
		t.ledger.replied(t.query, msg)
	}
}

// A datagrams is a tapped UDP connection. net.Resolver knows it by its being a
// net.PacketConn, but uses Read and Write.
type datagrams struct {
	tapped
	packets net.PacketConn
}

var _ net.PacketConn = (*datagrams)(nil)

func (d *datagrams) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if err == nil {
		d.received(b[:n])
	}
	return n, err
}

func (d *datagrams) Write(b []byte) (int, error) {
	d.sent(b)
	return d.Conn.Write(b)
}

// ReadFrom makes d a net.PacketConn; what it reads is not tapped.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) { return d.packets.ReadFrom(b) }

// WriteTo makes d a net.PacketConn; what it writes is not tapped.
func (d *datagrams) WriteTo(b []byte, to net.Addr) (int, error) { return d.packets.WriteTo(b, to) }

// A stream is a tapped TCP connection.
type stream struct {
	tapped
	in, out frames
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.in.add(b[:n], s.received)
	return n, err
}

func (s *stream) Write(b []byte) (int, error) {
	s.out.add(b, s.sent)
	return s.Conn.Write(b)
}

// A frames cuts a stream into messages, each behind two bytes with its length in
// network byte order (RFC 1035 §4.2.2). It holds one message at most.
type frames struct{ buf []byte }

// add takes the next bytes and hands every message that is complete to each, which
// must not keep it.
func (f *frames) add(b []byte, each func(msg []byte)) {
	f.buf = append(f.buf, b...)
	for len(f.buf) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(f.buf))
		if len(f.buf) < end {
			return
		}
		each(f.buf[2:end])
		f.buf = f.buf[end:]
	}
}
