package wire_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"testing"

	"github.com/multi6/multi6/wire"
)

// A rewritten packet of n bytes is n + Overhead bytes long over IPv6, every
// header counted, and comes back as it was.
func TestOverhead(t *testing.T) {
	if wire.Overhead != 38 {
		t.Errorf("Overhead is %d, want 38", wire.Overhead)
	}
	block, err := aes.NewCipher(count(0, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for _, payloadLen := range []int{0, 1, 20, 1240, 1460} {
		packet := innerPacket(payloadLen)
		outer := sealPacket(aead, packet, 7)
		if got := len(outer) - len(packet); got != wire.Overhead {
			t.Errorf("a packet of %d bytes grew by %d", len(packet), got)
		}
		back := openPacket(t, aead, outer[40+8:])
		if !bytes.Equal(back, packet) {
			t.Errorf("a packet of %d bytes came back as\n% x, want\n% x", len(packet), back, packet)
		}
	}
}

// innerPacket returns an IPv6 packet between the identifiers.
func innerPacket(payloadLen int) []byte {
	p := append(bytes.Clone(ip6Header), count(0, payloadLen)...)
	binary.BigEndian.PutUint16(p[4:], uint16(payloadLen))
	return p
}

// nonce makes a nonce of 12 bytes from a packet number.
func nonce(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4), number)
}

// sealPacket returns the outer IPv6 packet that carries the inner one.
func sealPacket(aead cipher.AEAD, packet []byte, number uint64) []byte {
	plain := bytes.Clone(packet)
	wire.PutInner(plain[34:], plain)
	plain = plain[34:]

	datagram := wire.Header{Type: wire.Transport, Tag: 5, Number: uint32(number)}.AppendTo(nil)
	datagram = aead.Seal(datagram, nonce(number), plain, datagram)

	udp := []byte{0x17, 0xde, 0x17, 0xde} // ports
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(datagram)))
	udp = append(udp, 0, 0) // checksum
	outer := []byte{0x60, 0, 0, 0}
	outer = binary.BigEndian.AppendUint16(outer, uint16(len(udp)+len(datagram)))
	outer = append(outer, 17, 64)          // next header, hop limit
	outer = append(outer, count(0, 32)...) // locators
	return append(append(outer, udp...), datagram...)
}

// openPacket returns the inner packet that the datagram carries.
func openPacket(t *testing.T, aead cipher.AEAD, datagram []byte) []byte {
	t.Helper()
	h, err := wire.ParseHeader(datagram)
	if err != nil {
		t.Fatal(err)
	}
	// Opened in place, the payload starts where the last bytes of the restored
	// header go.
	b := append(make([]byte, 34-wire.HeaderLen), datagram...)
	number := wire.ExpandNumber(6, h.Number)
	plain, err := aead.Open(b[34:34], nonce(number), b[34:], bytes.Clone(b[26:34]))
	if err != nil {
		t.Fatal(err)
	}
	kind, err := wire.PayloadKind(plain[0])
	if err != nil || kind != wire.KindRewritten {
		t.Fatalf("kind %v, %v", kind, err)
	}
	payloadLen := len(plain) - wire.InnerLen
	if err := wire.RestoreInner(b, plain, payloadLen, &source, &destination); err != nil {
		t.Fatal(err)
	}
	return b[:wire.IPv6HeaderLen+payloadLen]
}
