// Package inner knows the IP packets that applications exchange with a TUN device,
// and the super-packets that stand for several of them.
//
// A super-packet is what Linux calls a GSO packet: one IP header and one TCP or UDP
// header in front of the payloads of several packets of a flow. It passes the kernel in
// the time of one packet. Cutter makes the packets of it:
//
//	IP  TCP  payload 0 | payload 1 | payload 2
//	  =>  IP  TCP  payload 0    IP  TCP  payload 1    IP  TCP  payload 2
//
// The transport checksum of a super-packet, and of other packets that are marked
// Partial, is for whoever delivers them to complete; between two hosts that
// authenticate every byte nobody needs to.
//
// All functions are safe on any bytes and allocate nothing. What they follow: RFC 791
// and RFC 8200 for IP, RFC 9293 §3.1 for TCP, RFC 768 for UDP, RFC 1071 and RFC 1624 for
// checksums, RFC 6040 for congestion marks in tunnels, and for cutting the Linux kernel's
// segmentation offloads (Documentation/networking/segmentation-offloads.rst).
package inner
