package shim

import (
	"crypto/aes"
	"crypto/cipher"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"

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
func newAEAD(c wire.Ciphers, secret *[32]byte) (a cipher.AEAD) {
	var err error
	switch c {
	case wire.AES256GCM:
		var block cipher.Block
		if block, err = aes.NewCipher(secret[:]); err == nil {
			a, err = cipher.NewGCM(block)
		}
	default:
		a, err = chacha20poly1305.New(secret[:])
	}
	if err != nil {
		panic("shim: " + err.Error()) // the key's length is right
	}
	return a
}
