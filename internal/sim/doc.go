// Package sim runs many nodes in memory under virtual time: a network of hosts,
// directed paths and faults, and TCP connections that notice every wrong byte,
// every stall and every reset. It is meant for testing/synctest: half an hour
// of outage takes milliseconds, and nothing in here uses a real socket, a real
// clock or a lock that is held while something blocks. Outside of a bubble it
// works too, in real time.
//
// # Parts
//
//	Stack ── tun.Memory ── node ── Socket ──┐
//	  TCP                           Host    Network: Links, Faults
//	Stack ── tun.Memory ── node ── Socket ──┘
//
// From the inside out:
//
//   - A Network holds Hosts. A Host owns addresses on interfaces, which come and
//     go at run time; Facts and Watch tell them as netlink would.
//   - A Socket (Host.Listen) is the memory twin of the node's UDP socket.
//   - A Link says what befalls datagrams: delay, jitter, loss, duplicates,
//     blocked, MTU, rate. Network.Edit sets it for a directed pair of addresses,
//     for a source, for a destination or for everything; Host.EditInterface for
//     an interface. What applies adds up. The fate of a datagram is decided when
//     it is sent, but whether its destination exists when it arrives.
//   - Counters, Trace and Working tell what happened and what would work.
//   - A Stack is the applications' TCP on one TUN device, a TCP one end of a
//     connection. It follows RFC 9293, 5681, 6582 and 6298 with Linux's
//     constants, so it gives up when Linux does: after 15 retransmissions,
//     about a quarter of an hour.
//   - Schedule makes random faults that end with a working path each way.
//
// # Use
//
// Base conditions are best set on the interfaces, where no scheduled fault
// changes them.
//
//	synctest.Test(t, func(t *testing.T) {
//		n := sim.New(seed)
//		defer n.Close()
//		a, b := sim.Twins(n, 2)
//		for _, h := range []*sim.Host{a, b} {
//			for i := 1; i <= 2; i++ {
//				h.EditInterface(sim.Uplink(i), func(out, in *sim.Link) { out.Delay = 10 * time.Millisecond })
//			}
//		}
//		devA, devB := tun.NewMemory(), tun.NewMemory()
//		defer devA.Close()
//		defer devB.Close()
//		// Here: two nodes, on devA and a.Listen(6110), devB and b.Listen(6110).
//		sa := sim.StartStack(devA, sim.StackConfig{Addr: idA, Seed: seed})
//		defer sa.Close()
//		sb := sim.StartStack(devB, sim.StackConfig{Addr: idB, Seed: seed})
//		defer sb.Close()
//
//		accepted := sb.Listen(80)
//		client := sa.Dial(netip.AddrPortFrom(idB, 80))
//		server := <-accepted
//		client.Write(1 << 20)
//		start := time.Now()
//		for _, f := range sim.Schedule(seed, 2*time.Minute, 20) {
//			time.Sleep(time.Until(start.Add(f.At)))
//			f.Apply(n)
//		}
//		if err := server.WaitReceived(sim.SettleTime, 1<<20); err != nil {
//			t.Errorf("seed %d: %v", seed, err) // reset, corrupt, or too slow
//		}
//	})
//
// A bubble ends only when all its goroutines have: close the nodes, the stacks
// and the devices.
package sim
