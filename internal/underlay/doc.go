// Package underlay is the edge to the network: UDP sockets that send from a
// chosen source locator and tell where a datagram came to.
//
// A Conn receives by one socket for each address family, bound to one port on all
// addresses; IPV6_PKTINFO and IP_PKTINFO (RFC 3542 §6) choose source and
// interface for each datagram, so that several default routes can be used side
// by side, whatever their metrics: IPv6 needs a socket bound to each interface
// for that (exits). Runs of equally long datagrams over one pair leave in one system call
// and one pass through the stack (UDP_SEGMENT), and arrive so (UDP_GRO), where
// the kernel can; where it cannot, each datagram goes alone.
//
// A Sender and a Receiver are for one goroutine each and make their own sendmmsg(2)
// and recvmmsg(2) on buffers that they keep: neither allocates. What is received is
// handed out as it lies there, whole runs with some room before.
//
// What receives never sends: datagrams leave by an outlet, or by the exit of the
// interface that is named, and ICMP errors about them come to an ErrorReader.
package underlay
