package gcm

import (
	"crypto/aes"
	"crypto/cipher"
)

// KeySize, NonceSize and TagSize are lengths in bytes.
const (
	KeySize   = 32
	NonceSize = 12
	TagSize   = 16
)

// New returns AES-256-GCM with a key, of which it keeps no reference. It is safe for
// concurrent use. Nonces are NonceSize bytes long; any other length panics.
func New(key *[KeySize]byte) cipher.AEAD {
	if width > 1 {
		return newWide(key, width)
	}
	return newStandard(key)
}

// newStandard returns that of the standard library.
func newStandard(key *[KeySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("gcm: " + err.Error()) // the key's length is right
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic("gcm: " + err.Error())
	}
	return a
}
