package resolve

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ask is a query as net.Resolver sends it.
func ask(t testing.TB, id uint16, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	msg, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestForeignReplies settle nothing, however good they look.
func TestForeignReplies(t *testing.T) {
	mine := ask(t, 7, "B.example.", dnsmessage.TypeAAAA)
	q, ok := readQuery(mine)
	if !ok {
		t.Fatal("no query")
	}
	good := reply{answers: []record{{b, 60, aaaa("2001:db8::1")}}}
	tests := []struct {
		name string
		msg  []byte
		want bool
	}{
		{"ours", good.pack(mine), true},
		{"ours, other letters", good.pack(ask(t, 7, "b.EXAMPLE.", dnsmessage.TypeAAAA)), true},
		{"other ID", good.pack(ask(t, 8, b, dnsmessage.TypeAAAA)), false},
		{"other name", good.pack(ask(t, 7, "c.example.", dnsmessage.TypeAAAA)), false},
		{"other type", good.pack(ask(t, 7, b, dnsmessage.TypeA)), false},
		{"the query", mine, false},
		{"cut off", good.pack(mine)[:40], false},
		{"truncated", reply{truncated: true, answers: good.answers}.pack(mine), false},
		{"refused", reply{code: dnsmessage.RCodeRefused, answers: good.answers}.pack(mine), false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		got, ok := readReply(tt.msg, q)
		if ok != tt.want || ok && got != (lifetimes{60 * time.Second, unknown}) {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
}

// TestFrames cuts at every place.
func TestFrames(t *testing.T) {
	wire := []byte("\x00\x01a\x00\x00\x00\x03bcd\x00\x05ef")
	for size := 1; size <= len(wire); size++ {
		var f frames
		var got [][]byte
		for part := range slices.Chunk(wire, size) {
			f.add(part, func(msg []byte) { got = append(got, bytes.Clone(msg)) })
		}
		if text := string(bytes.Join(got, []byte("|"))); len(got) != 3 || text != "a||bcd" {
			t.Errorf("in parts of %d: %q", size, got)
		}
	}
}

// FuzzReply looks for panics, and for lifetimes that no record can have. Whether
// it comes as a datagram or in parts of a stream must make no difference.
func FuzzReply(f *testing.F) {
	mine := ask(f, 7, b, dnsmessage.TypeAAAA)
	q, _ := readQuery(mine)
	for _, r := range []reply{
		{answers: []record{{b, 60, aaaa("2001:db8::1")}, {b, 50, a("192.0.2.1")}}},
		{answers: []record{{b, 60, cname("c.example.")}}, authority: []record{{"example.", 50, soa(40)}}},
		{code: dnsmessage.RCodeNameError, authority: []record{{"example.", 1 << 31, soa(1<<32 - 1)}}},
		{truncated: true},
	} {
		f.Add(r.pack(mine), uint8(3))
	}
	f.Add(mine, uint8(1))
	f.Fuzz(func(t *testing.T, msg []byte, size uint8) {
		readQuery(msg)
		got, ok := readReply(msg, q)
		for _, ttl := range []time.Duration{got.found, got.missing} {
			if ttl != unknown && (ttl < 0 || ttl > (1<<31-1)*time.Second || !ok) {
				t.Errorf("lifetime %s, usable: %v", ttl, ok)
			}
		}
		if got.found != unknown && got.missing != unknown {
			t.Error("both found and missing")
		}
		l := newLedger()
		l.asked(q)
		l.replied(q, msg)
		if ttl := l.found(); ttl < minTTL || ttl > maxTTL {
			t.Errorf("found for %s", ttl)
		}
		if ttl := l.missing(); ttl < minRetry || ttl > maxRetry {
			t.Errorf("missing for %s", ttl)
		}
		if len(msg) > 1<<16-1 {
			return
		}
		var fr frames
		count := 0
		wire := append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
		for part := range slices.Chunk(wire, int(size)+1) {
			fr.add(part, func(whole []byte) {
				count++
				if !bytes.Equal(whole, msg) {
					t.Error("the stream gives another message")
				}
			})
		}
		if count != 1 {
			t.Errorf("%d messages of one", count)
		}
	})
}
