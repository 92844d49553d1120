package shim

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
)

// KeyLen is the length of a private, public or pre-shared key in bytes.
const KeyLen = 32

// identifierContext separates the identifier hash from every other use of a
// public key.
const identifierContext = "multi6 identifier v1"

// A PrivateKey is an X25519 private key (RFC 7748). Its String method hides it,
// so that it cannot reach a log by accident.
type PrivateKey [KeyLen]byte

// A PublicKey is an X25519 public key (RFC 7748). It is comparable and names a
// node for good.
type PublicKey [KeyLen]byte

// A PresharedKey is mixed into Open (Noise psk2). All zeros means none.
type PresharedKey [KeyLen]byte

// NewPrivateKey makes a private key of 32 random bytes, clamped as in RFC 7748
// §5.
func NewPrivateKey(random [KeyLen]byte) PrivateKey {
	k := PrivateKey(random)
	k[0] &= 248
	k[31] &= 127
	k[31] |= 64
	return k
}

// Public returns the public key that belongs to k.
func (k PrivateKey) Public() PublicKey {
	// NewPrivateKey fails only on a wrong length.
	p, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		panic("shim: " + err.Error())
	}
	return PublicKey(p.PublicKey().Bytes())
}

// Text returns k in base64, for a key file.
func (k PrivateKey) Text() string { return base64.StdEncoding.EncodeToString(k[:]) }

// String does not show the key.
func (k PrivateKey) String() string { return "(private key)" }

// GoString does not show the key.
func (k PrivateKey) GoString() string { return k.String() }

// MarshalText does not show the key.
func (k PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String does not show the key.
func (k PresharedKey) String() string { return "(pre-shared key)" }

// GoString does not show the key.
func (k PresharedKey) GoString() string { return k.String() }

// MarshalText does not show the key.
func (k PresharedKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String returns k in base64 (44 characters), as the configuration has it.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// Short returns the first 8 characters of k in base64, for logs.
func (k PublicKey) Short() string { return k.String()[:8] }

// Less orders keys as big-endian numbers, so that both ends agree on a tie.
func (k PublicKey) Less(o PublicKey) bool { return bytes.Compare(k[:], o[:]) < 0 }

// Identifier returns the address that upper layers know k's owner by: fd and
// the first 120 bits of a hash of k. Who does not hold the private key cannot
// own it.
func (k PublicKey) Identifier() netip.Addr {
	h := sha256.New()
	h.Write([]byte(identifierContext))
	h.Write(k[:])
	var a [16]byte
	a[0] = 0xfd
	copy(a[1:], h.Sum(nil))
	return netip.AddrFrom16(a)
}

// ParsePrivateKey reads the base64 text of a private key. Surrounding white
// space is ignored.
func ParsePrivateKey(s string) (PrivateKey, error) {
	k, err := parseKey(s)
	return PrivateKey(k), err
}

// ParsePublicKey reads the base64 text of a public key. Surrounding white
// space is ignored.
func ParsePublicKey(s string) (PublicKey, error) {
	k, err := parseKey(s)
	return PublicKey(k), err
}

// ParsePresharedKey reads the base64 text of a pre-shared key. Surrounding
// white space is ignored.
func ParsePresharedKey(s string) (PresharedKey, error) {
	k, err := parseKey(s)
	return PresharedKey(k), err
}

func parseKey(s string) (k [KeyLen]byte, err error) {
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace([]byte(s))))
	if err != nil {
		return k, errors.New("not base64")
	}
	if len(b) != KeyLen {
		return k, fmt.Errorf("%d bytes, want %d", len(b), KeyLen)
	}
	if [KeyLen]byte(b) == k {
		return k, errors.New("all zeros")
	}
	return [KeyLen]byte(b), nil
}
