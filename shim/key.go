package shim

import (
	"crypto/cipher"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/multi6/multi6/gcm"
	"github.com/multi6/multi6/wire"
)

// A cipherKey seals or opens the packets of one direction. What the cipher makes of it takes
// some hundred bytes, and is there only while packets pass.
type cipherKey struct {
	cipher   wire.Ciphers
	secret   [32]byte
	schedule atomic.Pointer[cipher.AEAD]
}

// aead returns the cipher, which is safe for concurrent use.
func (k *cipherKey) aead() cipher.AEAD {
	if a := k.schedule.Load(); a != nil {
		return *a
	}
	a := newAEAD(k.cipher, &k.secret)
	k.schedule.Store(&a)
	return a
}

// newAEAD returns cipher c, which is one of ours, with a key.
func newAEAD(c wire.Ciphers, secret *[32]byte) cipher.AEAD {
	if c == wire.AES256GCM {
		return gcm.New(secret)
	}
	a, err := chacha20poly1305.New(secret[:])
	if err != nil {
		panic("shim: " + err.Error()) // the key's length is right
	}
	return a
}
