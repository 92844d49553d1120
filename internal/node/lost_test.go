package node_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/sim"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A node whose interface is removed or set down has lost its addresses and routes:
// it says so and ends, rather than to stay and serve nobody.
func TestLostInterfaceEndsNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sim.New(1)
		defer net.Close()
		host := net.Host("a")
		host.AddAddr("uplink", netip.MustParseAddr("2001:db8::1"))
		socket, err := host.Listen(locator.DefaultPort)
		if err != nil {
			t.Fatal(err)
		}
		id := shim.NewIdentity(shim.NewPrivateKey([shim.KeyLen]byte{8}))
		facts := make(chan []locator.Fact)
		n, err := node.New(node.Config{
			Name: "shim0", Identity: id, Port: locator.DefaultPort, MTU: 1400, Timers: detect.Balanced,
			Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(),
		}, node.Edges{
			Device: tun.NewMemory(), Sender: socket, Receivers: []node.Receiver{socket}, Underlay: socket,
			Facts: facts, Random: rand.NewChaCha8([32]byte{1}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- n.Run(t.Context()) }()
		uplink := host.Facts()
		own := locator.Fact{Addr: id.Public.Identifier(), Interface: 9, Name: "shim0", Up: true, RouterReachable: true}
		facts <- uplink // before the interface is there
		facts <- append(uplink, own)
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("ended early: %v", err)
		default:
		}
		facts <- uplink
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "shim0 was removed or set down") {
			t.Errorf("ended with %v", err)
		}
	})
}
