package inner

import "encoding/binary"

// SetLength writes the length of pkt into its IP header, and for IPv4 the header checksum.
func SetLength(pkt []byte) {
	if pkt[0]>>4 == 6 {
		binary.BigEndian.PutUint16(pkt[4:], uint16(len(pkt)-ipv6Len))
		return
	}
	binary.BigEndian.PutUint16(pkt[2:], uint16(len(pkt)))
	header := pkt[:int(pkt[0]&15)*4]
	clear(header[10:12])
	binary.BigEndian.PutUint16(header[10:], ^fold(sum(0, header)))
}
