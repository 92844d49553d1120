// Package wire holds the formats that multi6 nodes speak: it parses and appends
// datagrams, the inner header and control frames. It has no policy and no
// state, encrypts nothing and checks no message authentication code.
//
// All integers are big-endian. A datagram is the payload of one UDP packet and
// starts with a header of 8 bytes:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+-------+-----------------------------------------------+
//	| type  |  ver  |                      tag                      |
//	+-------+-------+-----------------------------------------------+
//	|        transport: low 32 bits of the packet number            |
//	+---------------------------------------------------------------+
//
// What follows the header depends on its type (lengths in bytes):
//
//	Open 1     Noise message 1: e 32, sealed s 48, payload, 16 | mac1 16 | mac2 16
//	Open 2     Noise message 2: e 32, payload, 16              | mac1 16 | mac2 16
//	Retry      nonce 24 | sealed cookie 32
//	Transport  sealed payload | authentication tag 16
//
// The header's tag is the receiver's, which finds its context by it; only in
// Open 1 it is the sender's, which knows no other yet.
//
// The first four bits of a transport payload are its kind:
//
//	1  rewritten packet: inner header 6 | what followed the IPv6 header
//	2  control: 0x20 | frames
//	4  a whole IPv4 packet, whose version is the kind
//	6  a whole IPv6 packet, likewise
//	3  5  7  as 1  4  6, of a packet whose TCP or UDP checksum is void
//	8  a part of a payload of one of these kinds: more 1 bit, index 3 bits | bytes
//
// The parts of a payload have consecutive packet numbers.
//
// The inner header takes the place of the 40 bytes of IPv6 header of a packet
// between the two identifiers. It keeps what the receiver cannot derive:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+---------------------------------------+---------------+
//	|   1   |              flow label               | traffic class |
//	+-------+-------+---------------+---------------+---------------+
//	|  next header  |   hop limit   |
//	+---------------+---------------+
//
// Frames are the content of control payloads and of both Noise payloads. Each
// is {type 1, length 2, body}, but Padding, which is one zero byte. Frames of
// unknown type are passed over by their length. A body longer than expected is
// accepted and its tail ignored, a shorter one is an error:
//
//	1  Params      tag 4, timestamp 8, ciphers 1, report delay 4, report wanted 4
//	2  LocatorSet  sequence 4, count 1,
//	               each: family 1, flags 1, preference 1, link 1, port 2, address 4 or 16
//	3  LocatorAck  sequence 4
//	4  Poll        id 8, flags 1, count 1, each: id 8, held 4, came 4
//	5  Report      tag 4, largest 8, held 4, received 8, missing 1
//	6  Close       reason 1
//	7  Addresses   family 1, source: port 2, address 4 or 16, destination: likewise
//	8  Echo        id 8, after 4
//	9  EchoReply   id 8
//	10 Policy      report delay 4, flags 1
//
// Durations travel as whole microseconds in 32 bits, saturating.
//
// The shape of header and cookie exchange follows WireGuard, truncated packet
// numbers follow RFC 9000 §17.1, Polls and their OK lists draft §5.4.
package wire
