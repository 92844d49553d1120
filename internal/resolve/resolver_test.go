package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const b = "b.example." // complete, so that no search domain of the host matters

func TestLookup(t *testing.T) {
	six := record{b, 300, aaaa("2001:db8::2")}
	tests := []struct {
		name   string
		handle handler
		addrs  string
		ttl    time.Duration
	}{
		{"both families, sorted, unique, the least TTL", zone(
			six, record{b, 200, a("192.0.2.2")}, record{b, 400, aaaa("2001:db8::1")},
			record{b, 400, a("192.0.2.1")}, record{b, 400, a("192.0.2.2")}, record{b, 400, aaaa("::ffff:192.0.2.2")},
		), "192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2", 200 * time.Second},
		{"one family", zone(six), "2001:db8::2", 300 * time.Second},
		{"an alias that runs out first", zone(
			record{b, 70, cname("c.example.")}, record{"c.example.", 80, cname("d.example.")}, record{"d.example.", 300, aaaa("2001:db8::2")},
		), "2001:db8::2", 70 * time.Second},
		{"short TTL", zone(record{b, 0, a("192.0.2.1")}), "192.0.2.1", 30 * time.Second},
		{"long TTL", zone(record{b, 86400, a("192.0.2.1")}), "192.0.2.1", time.Hour},
		{"TTL with the top bit", zone(record{b, 1 << 31, a("192.0.2.1")}), "192.0.2.1", 30 * time.Second},
		{"truncated, then TCP", func(q question, tcp bool) reply {
			if !tcp {
				return reply{truncated: true, answers: []record{{b, 31, a("192.0.2.9")}}}
			}
			return zone(six)(q, tcp)
		}, "2001:db8::2", 300 * time.Second},
		{"one family fails: ask again soon", func(q question, tcp bool) reply {
			if q.kind == dnsmessage.TypeA {
				return reply{code: dnsmessage.RCodeServerFailure}
			}
			return zone(six)(q, tcp)
		}, "2001:db8::2", 30 * time.Second},
		{"garbage and forgeries come first", func(q question, tcp bool) reply {
			r := zone(six)(q, tcp)
			r.before = [][]byte{{}, []byte("not a message"), forged(b), forged("other.example.")}
			return r
		}, "2001:db8::2", 300 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.handle)
			got := New(Options{Server: s.addr}).Lookup(t.Context(), b)
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if text := join(got.Addrs); got.Host != b || text != tt.addrs || got.TTL != tt.ttl {
				t.Errorf("%s for %s, want %s for %s (asked: %q)", text, got.TTL, tt.addrs, tt.ttl, s.questions())
			}
		})
	}
}

// forged is a reply with an ID that cannot be right, as IDs are random.
func forged(name string) []byte {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET,
	}}}
	query, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return reply{answers: []record{{name, 31, aaaa("2001:db8::666")}}}.pack(query)
}

func TestLookupFails(t *testing.T) {
	nothing := func(ttl, minimum uint32) handler {
		return func(question, bool) reply {
			return reply{code: dnsmessage.RCodeNameError, authority: []record{{"example.", ttl, soa(minimum)}}}
		}
	}
	tests := []struct {
		name   string
		handle handler
		retry  time.Duration
		text   string
	}{
		{"no such name", nothing(600, 60), 60 * time.Second, "no such host"},
		{"SOA that runs out first", nothing(50, 60), 50 * time.Second, "no such host"},
		{"soon", nothing(600, 1), 5 * time.Second, "no such host"},
		{"late", nothing(86400, 86400), 5 * time.Minute, "no such host"},
		{"no such name, no SOA", func(question, bool) reply { return reply{code: dnsmessage.RCodeNameError} }, 10 * time.Second, "no such host"},
		{"no addresses", func(question, bool) reply { return reply{authority: []record{{"example.", 600, soa(45)}}} }, 45 * time.Second, "no such host"},
		{"alias to nothing", func(question, bool) reply {
			return reply{answers: []record{{b, 600, cname("c.example.")}}, authority: []record{{"example.", 600, soa(45)}}}
		}, 45 * time.Second, "no such host"},
		{"server failure", func(question, bool) reply { return reply{code: dnsmessage.RCodeServerFailure} }, 10 * time.Second, "server misbehaving"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.handle)
			got := New(Options{Server: s.addr}).Lookup(t.Context(), b)
			if got.Err == nil || got.Addrs != nil {
				t.Fatalf("addresses %s, error %v", got.Addrs, got.Err)
			}
			if text := got.Err.Error(); got.TTL != tt.retry || !strings.HasPrefix(text, "resolve: ") || !strings.Contains(text, tt.text) {
				t.Errorf("again in %s: %s; want %s, %q (asked: %q)", got.TTL, text, tt.retry, tt.text, s.questions())
			}
		})
	}
}

// TestLostQuery is answered at the second attempt, which the time-out leaves room for.
func TestLostQuery(t *testing.T) {
	lost := false // belongs to the server's goroutine for UDP
	s := serve(t, func(q question, tcp bool) reply {
		r := zone(record{b, 300, aaaa("2001:db8::1")})(q, tcp)
		if q.kind == dnsmessage.TypeAAAA && !lost {
			lost, r.silent = true, true
		}
		return r
	})
	got := New(Options{Server: s.addr}).Lookup(t.Context(), b)
	if got.Err != nil || got.TTL != 300*time.Second {
		t.Errorf("%v for %s, asked %q", got.Err, got.TTL, s.questions())
	}
}

// TestNoAnswer ends with the context, and leaves nothing behind (see TestMain).
func TestNoAnswer(t *testing.T) {
	s := serve(t, func(question, bool) reply { return reply{silent: true} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	got := New(Options{Server: s.addr}).Lookup(ctx, b)
	if !errors.Is(got.Err, context.DeadlineExceeded) || got.TTL != 10*time.Second {
		t.Errorf("%v, again in %s", got.Err, got.TTL)
	}
	if d := time.Since(begin); d > queryTimeout {
		t.Errorf("took %s after its context", d)
	}
}

// TestHostsFile needs no server: the port is closed.
func TestHostsFile(t *testing.T) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	closed := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	udp.Close()
	r := New(Options{Server: closed})
	for host, want := range map[string]string{"localhost": "127.0.0.1", "2001:db8::1": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1"} {
		got := r.Lookup(t.Context(), host)
		if got.Err != nil || !slices.Contains(got.Addrs, netip.MustParseAddr(want)) || got.TTL != 5*time.Minute {
			t.Errorf("%s: %v, %s for %s", host, got.Err, got.Addrs, got.TTL)
		}
	}
	got := r.Lookup(t.Context(), b)
	if got.Err == nil || got.TTL != 10*time.Second {
		t.Errorf("no server: %v, again in %s", got.Err, got.TTL)
	}
}

func join(addrs []netip.Addr) string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return strings.Join(all, " ")
}
