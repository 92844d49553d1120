package resolve

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A record is a line of a zone.
type record struct {
	name string // with a final dot
	ttl  uint32
	body dnsmessage.ResourceBody
}

func a(s string) dnsmessage.ResourceBody {
	return &dnsmessage.AResource{A: netip.MustParseAddr(s).As4()}
}

func aaaa(s string) dnsmessage.ResourceBody {
	return &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(s).As16()}
}

func cname(s string) dnsmessage.ResourceBody {
	return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(s)}
}

func soa(minimum uint32) dnsmessage.ResourceBody {
	return &dnsmessage.SOAResource{
		NS: dnsmessage.MustNewName("ns.example."), MBox: dnsmessage.MustNewName("x.example."), MinTTL: minimum,
	}
}

// kindOf returns the type of a record that it has on the wire.
func kindOf(b dnsmessage.ResourceBody) dnsmessage.Type {
	switch b.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.CNAMEResource:
		return dnsmessage.TypeCNAME
	}
	return dnsmessage.TypeSOA
}

// A reply is what the server says to one question. The zero reply says that there is
// nothing of that kind.
type reply struct {
	code      dnsmessage.RCode
	truncated bool
	answers   []record
	authority []record
	// before are sent ahead of the reply, raw; silent sends no reply.
	before [][]byte
	silent bool
}

// pack writes r as the answer to query, a message of net.Resolver's.
func (r reply) pack(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		panic(err)
	}
	q, err := p.Question()
	if err != nil {
		panic(err)
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: h.ID, Response: true, Authoritative: true, RecursionAvailable: true, RCode: r.code, Truncated: r.truncated,
		},
		Questions: []dnsmessage.Question{q},
	}
	resource := func(c record) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{
				Name: dnsmessage.MustNewName(c.name), Type: kindOf(c.body), Class: dnsmessage.ClassINET, TTL: c.ttl,
			},
			Body: c.body,
		}
	}
	for _, c := range r.answers {
		m.Answers = append(m.Answers, resource(c))
	}
	for _, c := range r.authority {
		m.Authorities = append(m.Authorities, resource(c))
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// A handler answers one question.
type handler func(q question, tcp bool) reply

// A server is a DNS server on loopback, UDP and TCP.
type server struct {
	addr   netip.AddrPort
	handle handler

	mu    sync.Mutex
	asked []string // "AAAA b.example. tcp"
}

// serve starts a server that ends with the test.
func serve(t *testing.T, handle handler) *server {
	t.Helper()
	for range 20 { // The UDP port may be taken for TCP.
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			t.Fatal(err)
		}
		addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		tcp, err := net.Listen("tcp", addr.String())
		if err != nil {
			udp.Close()
			continue
		}
		s := &server{addr: addr, handle: handle}
		var running sync.WaitGroup
		running.Go(func() { s.datagrams(udp) })
		running.Go(func() { s.accept(tcp) })
		t.Cleanup(func() {
			udp.Close()
			tcp.Close()
			running.Wait()
		})
		return s
	}
	t.Fatal("no port for both UDP and TCP")
	return nil
}

func (s *server) datagrams(udp *net.UDPConn) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		r := s.ask(b[:n], false)
		for _, raw := range r.before {
			udp.WriteToUDPAddrPort(raw, from)
		}
		if !r.silent {
			udp.WriteToUDPAddrPort(r.pack(b[:n]), from)
		}
	}
}

func (s *server) accept(tcp net.Listener) {
	for {
		conn, err := tcp.Accept()
		if err != nil {
			return
		}
		s.stream(conn)
		conn.Close()
	}
}

// stream answers one query, a byte at a time.
func (s *server) stream(conn net.Conn) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return
	}
	if r := s.ask(b, true); !r.silent {
		out := r.pack(b)
		out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
		for _, c := range out {
			if _, err := conn.Write([]byte{c}); err != nil {
				return
			}
		}
	}
}

func (s *server) ask(query []byte, tcp bool) reply {
	q, ok := readQuery(query)
	if !ok {
		panic(errors.New("the resolver sent no query"))
	}
	line := strings.TrimPrefix(q.kind.String(), "Type") + " " + q.name
	if tcp {
		line += " tcp"
	}
	s.mu.Lock()
	s.asked = append(s.asked, line)
	s.mu.Unlock()
	return s.handle(q.question, tcp)
}

// questions returns what was asked, sorted.
func (s *server) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.asked))
}

// zone answers from records, by name and type; aliases are given for both types.
func zone(records ...record) handler {
	return func(q question, _ bool) reply {
		var r reply
		for _, c := range records {
			if k := kindOf(c.body); k == q.kind || k == dnsmessage.TypeCNAME {
				r.answers = append(r.answers, c)
			}
		}
		return r
	}
}
