// Package throughput measures how much two hosts get through to each other, side by
// side: directly, over wireguard-go, and over multi6 with each of its ciphers.
//
// The hosts are two network namespaces of one machine, joined by one veth pair:
//
//	┌──────────────── A ────────────────┐          ┌──────────────── B ────────────────┐
//	│ generator                         │          │                         generator │
//	│     │ to B's address of a system  │          │  from A's address of it     ▲     │
//	│     ├── direct ───────────────────┤ 2001:…:1 ├─────────────────── direct ──┤     │
//	│     ├── wireguard-go, TUN ────────┤   veth   ├──────── TUN, wireguard-go ──┤     │
//	│     ├── multi6 AES, TUN ──────────┤ 2001:…:2 ├────────── TUN, multi6 AES ──┤     │
//	│     └── multi6 ChaCha20, TUN ─────┤          ├───── TUN, multi6 ChaCha20 ──┘     │
//	└───────────────────────────────────┘          └───────────────────────────────────┘
//
// All daemons run all the time; those that are not being measured have nothing to do.
// There are two such pairs of hosts, as a veth pair passes TCP and UDP super-packets of
// 64 KiB whole unless its offloads are off (lab.Host.DisableOffloads): the one is like
// two virtual machines of a host, the other like cards that can do nothing.
//
// # What is measured
//
//	tcp1     one TCP stream from A to B: bit/s that the application at B receives
//	tcp4     four TCP streams
//	reverse  one TCP stream from B to A
//	udp      datagrams of 64 bytes that B receives a second, while A sends as many as it can
//	idle     round-trip time of a datagram of 64 bytes, one after another
//	loaded   the same beside one TCP stream
//
// A measurement begins when its traffic has run for a moment. In each round each
// system is measured once, in an order that rotates; ratios are taken within a round, and
// what is shown is the median of the rounds. So what the machine does meanwhile
// falls upon all alike.
//
// CPU time is that of both daemons and both generators, user and system, as
// /proc/PID/stat tells it, and that of the kernel's threads ksoftirqd. Work of the network
// stack in soft interrupts counts where it is done, so it is in there, apart from what
// interrupts an idle processor; kernels with CONFIG_IRQ_TIME_ACCOUNTING have it in none
// of these. The soft interrupts of the whole machine by /proc/stat, which hold much of the
// same time once more, are in throughput.json.
//
// # What is verified
//
// Before a system is measured in a round, streams both ways are compared byte by
// byte with what was sent; this would dominate the measurement itself. There, all bytes that
// were sent must arrive, and datagrams are compared.
package throughput
