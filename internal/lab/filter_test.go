package lab_test

import (
	"net/netip"
	"testing"

	"github.com/multi6/multi6/internal/lab"
)

// A router that filters sources drops what has a source of another link, and
// nothing else.
func TestFilterSources(t *testing.T) {
	l := newLine(t)
	ask := l.sources(t)
	must(t, l.n.FilterSources())
	for i, to := range lineB {
		if from, ok := ask(to); !ok || from.Addr() != lineA[i].Addr() {
			t.Errorf("%v hears from %v, %v; want %v", to, from, ok, lineA[i])
		}
	}
	for i, strange := range prefixes("2001:db8:3::1/128", "10.78.3.1/32") {
		must(t, l.a.AddAddr("near", strange))
		if reachesFrom(t, l, strange.Addr(), lineB[i].Addr()) {
			t.Errorf("%v reaches B from the wrong link", strange)
		}
		// Once the router sends answers by that link it is the right one.
		must(t, l.n.AddRoute(lab.Route{To: strange, Gateway: lineA[i].Addr(), Interface: "near"}))
		eventually(t, "the source to pass", func() bool { return reachesFrom(t, l, strange.Addr(), lineB[i].Addr()) })
	}
}

// reachesFrom reports whether a datagram from an address of A comes to B.
func reachesFrom(t *testing.T, l *line, from, to netip.Addr) bool {
	t.Helper()
	b, err := l.b.ListenPacket("udp", netip.AddrPortFrom(to, 0).String())
	must(t, err)
	defer b.Close()
	a, err := l.a.DialFrom(t.Context(), "udp", from, b.LocalAddr().String())
	if err != nil {
		return false // the address is not ready yet
	}
	defer a.Close()
	_, ok := heard(a, b)
	return ok
}
