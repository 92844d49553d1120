package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A node that wants to reach thousands of peers, of which none answers, sends no more
// tests than its limit allows, and sends them evenly.
func TestTestsOfManyPeersAreBounded(t *testing.T) {
	const peers, rate, burst = 1500, 2000, 500
	synctest.Test(t, func(t *testing.T) {
		net := sim.New(1)
		defer net.Close()
		h := net.Host("a")
		h.AddAddr("uplink", netip.MustParseAddr("2001:db8::1"))
		socket, err := h.Listen(locator.DefaultPort)
		must(t, err)
		dev := tun.NewMemory()
		random := rand.NewChaCha8([32]byte{1})
		key := func() shim.Identity {
			var k [shim.KeyLen]byte
			random.Read(k[:])
			return shim.NewIdentity(shim.NewPrivateKey(k))
		}
		cfg := node.Config{
			Name: "a", Identity: key(), Port: locator.DefaultPort, MTU: 1400, Timers: detect.Fast,
			Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(),
		}
		var ids []netip.Addr
		for i := range peers {
			p := key().Public
			at := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, 14: byte(i >> 8), 15: byte(i)})
			cfg.Peers = append(cfg.Peers, node.Peer{
				Name: fmt.Sprint(i), Key: p, Locators: []netip.AddrPort{netip.AddrPortFrom(at, locator.DefaultPort)},
			})
			ids = append(ids, p.Identifier())
		}
		n, err := node.New(cfg, node.Edges{
			Device: dev, Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket, Facts: h.Watch(), Random: random,
		})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- n.Run(ctx) }()
		synctest.Wait()
		for _, id := range ids {
			dev.Inject(inner6(cfg.Identity.Public.Identifier(), id, 100))
		}
		var last, most uint64
		for range 15 {
			time.Sleep(100 * time.Millisecond)
			now := net.Counters(sim.Path{})[sim.Sent]
			most, last = max(most, now-last), now
		}
		// The first wish of each peer is not held back, but its debt is paid.
		if last > peers+burst+3*rate/2 || last < rate {
			t.Errorf("%d datagrams in 1.5 s", last)
		}
		t.Logf("%d datagrams in 1.5 s, at most %d in 100 ms", last, most)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
