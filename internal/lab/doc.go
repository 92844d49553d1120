// Package lab builds a small internet out of real network namespaces, for the
// demonstration, the integration tests and the benchmarks:
//
//	     uplink 1 (emulated)               b1 (veth)
//	┌────────────────────────── R1 ──────────────────────────┐
//	│ a1  2001:db8:a1::/64      │       2001:db8:b1::/64  b1 │
//	│     10.77.11.0/24         │       10.77.21.0/24        │
//	A                     cross │ 2001:db8:c::/64            B
//	│                           │ 10.77.30.0/24              │
//	│ a2  2001:db8:a2::/64      │       2001:db8:b2::/64  b2 │
//	│     10.77.12.0/24         │       10.77.22.0/24        │
//	└────────────────────────── R2 ──────────────────────────┘
//	     uplink 2 (emulated)               b2 (veth)
//
// Hosts are .1 and ::1 on their links, routers .254 and ::fe; on the cross link
// R1 is .1 and ::1, R2 is .2 and ::2. All four pairs of a locator of A and one
// of B work, in both families: A1–B1 by R1, A2–B2 by R2, A1–B2 and A2–B1 over
// the cross link. A host has a default route by each uplink, the first one
// preferred; a socket that pins the outgoing interface leaves by it, and a
// socket that only binds a source address leaves by the uplink which that
// address belongs to (policy rules, tables 101 and 102).
//
// # Links
//
// The uplinks of A are emulated: a TAP device at each end, and for each
// direction one goroutine on a thread of its own that carries frames from one to
// the other. It reads a frame, gives it to a line (a value without I/O that
// decides when the frame arrives, if it does), keeps it in a queue, and writes
// it when it is due. The thread sleeps in ppoll, which is exact to some
// microseconds where Go's timers are to a millisecond, and for good while the
// link is idle; frames that follow each other closely may gather for up to 50 µs. While no
// loss is set and the rate is high or unlimited, the kernel hands over whole
// TCP and UDP super-frames of up to 64 KiB, and the line accounts for the frames
// that they would be on a wire; else the kernel cuts them up first. All other
// links are veth pairs without impairment.
//
// # Faults
//
// [Lab.Break] breaks an uplink in one of the ways of [Fault] and returns what
// heals it, with the addresses and routes that the kernel took away meanwhile.
//
// # Other topologies
//
// [NewSpace], [Join] and [JoinEmulated] build any other one, link by link; the
// methods of [Host] then add and take away addresses and routes, and make a
// router translate addresses ([Host.Masquerade]). A Lab is not needed for it.
//
// # What is left behind
//
// Nothing. Namespaces are anonymous: each lives as long as the thread of its
// [Host] and the processes in it, devices live as long as their file descriptor or
// namespace, and children die with the thread that started them; this holds
// after SIGKILL too. A thread that has entered a namespace never goes back to
// the Go scheduler but ends with its goroutine.
//
// The package needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and /dev/net/tun, and no
// programs.
package lab
