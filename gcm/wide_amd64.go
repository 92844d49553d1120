//go:build gc && !purego

package gcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// width is how many blocks the widest instructions of this processor and system take that the
// assembler code is for: 4 or 2, and 1 if there are none.
var width = func() int {
	switch {
	case !cpuid.CPU.Supports(cpuid.AESNI, cpuid.AVX2, cpuid.VAES, cpuid.VPCLMULQDQ):
		return 1
	case !cpuid.CPU.Supports(cpuid.BMI2, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL):
		return 2
	}
	return 4
}()

const (
	blockSize = 16
	pair      = 2 * blockSize
	rounds    = 14
	// stride is how many blocks are hashed before a reduction.
	stride = 16
	// maxLen is how many bytes the 32-bit counter is enough for (SP 800-38D §5.2.1.1).
	maxLen = (1<<32 - 2) * blockSize
)

// A block of 16 bytes, as it travels.
type block [blockSize]byte

// A schedule is what a key comes to. The assembler code knows its layout.
type schedule struct {
	roundKeys [rounds + 1]block
	// powers are H^16 to H^1, each times y (see element), in the processor's byte order. What
	// follows is zero: parts of the table are loaded in units of four blocks.
	powers [stride]element
	_      [3]element
	// width is how many blocks its instructions take, 4 or 2.
	width int
}

// A message is what else goes into a call, and comes out of it.
type message struct {
	// counter is the first counter block, J0: the nonce and a 1.
	counter block
	// data is the last block of the additional data, after those before it were hashed, and
	// lengths that of the lengths.
	data, lengths block
	// tag is the result.
	tag block
	// tail is what is left of a message after its last pair of blocks, for instructions that
	// take two: with zeros behind before, with anything behind after the call.
	tail [pair]byte
}

// expand makes the round keys.
//
//go:noescape
func expand(key *[KeySize]byte, roundKeys *[rounds + 1]block)

// seal4 encrypts n bytes from src to dst, which are the same or do not overlap, and makes the tag.
// It takes four blocks at a time.
//
//go:noescape
func seal4(s *schedule, m *message, dst, src *byte, n int)

// open4 is seal4 for decryption.
//
//go:noescape
func open4(s *schedule, m *message, dst, src *byte, n int)

// seal2 is seal4 with two blocks at a time. What is left of them is in m.tail.
//
//go:noescape
func seal2(s *schedule, m *message, dst, src *byte, n int)

// open2 is seal2 for decryption.
//
//go:noescape
func open2(s *schedule, m *message, dst, src *byte, n int)

// seal encrypts src to dst, which is as long, the same or elsewhere, and makes the tag.
func (s *schedule) seal(m *message, dst, src []byte) {
	if s.width == 4 {
		seal4(s, m, pointer(dst), pointer(src), len(src))
	} else {
		pairs := len(src) &^ (pair - 1)
		copy(m.tail[:], src[pairs:])
		seal2(s, m, pointer(dst), pointer(src), len(src))
		copy(dst[pairs:], m.tail[:])
	}
}

// open is seal for decryption.
func (s *schedule) open(m *message, dst, src []byte) {
	if s.width == 4 {
		open4(s, m, pointer(dst), pointer(src), len(src))
	} else {
		pairs := len(src) &^ (pair - 1)
		copy(m.tail[:], src[pairs:])
		open2(s, m, pointer(dst), pointer(src), len(src))
		copy(dst[pairs:], m.tail[:])
	}
}

// An element is one of GF(2^128), low half first, as polynomials in y modulo
// y^128 + y^127 + y^126 + y^121 + 1: a GCM block with its bits in the opposite order, so that its
// x^i is y^(127-i).
type element struct{ low, high uint64 }

// high128 is the modulus without y^128 and 1: its coefficients from y^64 on.
const high128 = 0xc2 << 56

func elementOf(b *block) element {
	return element{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:8])}
}

func (a element) block() (b block) {
	binary.BigEndian.PutUint64(b[8:], a.low)
	binary.BigEndian.PutUint64(b[:8], a.high)
	return b
}

func (a element) plus(b element) element { return element{a.low ^ b.low, a.high ^ b.high} }

// timesY returns a·y.
func (a element) timesY() element {
	carry := -(a.high >> 63)
	return element{a.low<<1 ^ carry&1, (a.high<<1 | a.low>>63) ^ carry&high128}
}

// times returns the GCM product of a and the element that by is y times of: a·by / y^128.
func (a element) times(by element) element {
	// From the lowest coefficient of a on: add, and divide by y.
	var p element
	for _, word := range [2]uint64{a.low, a.high} {
		for range 64 {
			mask := -(word & 1)
			p = p.plus(element{by.low & mask, by.high & mask})
			odd := -(p.low & 1)
			p.low ^= odd & 1
			p.high ^= odd & high128
			p.low, p.high = p.low>>1|p.high<<63, p.high>>1|odd&(1<<63) // y^128 comes down
			word >>= 1
		}
	}
	return p
}

func newWide(key *[KeySize]byte, width int) cipher.AEAD {
	s := &schedule{width: width}
	expand(key, &s.roundKeys)
	h := s.hashKey().timesY()
	power := h
	for i := range s.powers {
		s.powers[stride-1-i] = power
		power = power.times(h)
	}
	return s
}

// hashKey returns H, the encryption of zeros. It is for a schedule whose powers are still zero:
// with them every hash is, and a tag is but the encrypted counter.
func (s *schedule) hashKey() element {
	var m message
	s.seal(&m, nil, nil)
	return elementOf(&m.tag)
}

// NonceSize implements cipher.AEAD.
func (s *schedule) NonceSize() int { return NonceSize }

// Overhead implements cipher.AEAD.
func (s *schedule) Overhead() int { return TagSize }

// Seal implements cipher.AEAD.
func (s *schedule) Seal(dst, nonce, plaintext, data []byte) []byte {
	n := len(plaintext)
	if uint64(n) > maxLen {
		panic("gcm: message too long")
	}
	m := newMessage(s, nonce, data, n)
	ret, out := extend(dst, n+TagSize)
	checkOverlap(out, plaintext, data)
	s.seal(&m, out[:n], plaintext)
	copy(out[n:], m.tag[:])
	return ret
}

var errOpen = errors.New("gcm: message authentication failed")

// Open implements cipher.AEAD. If it fails, what it has written to dst is zero.
func (s *schedule) Open(dst, nonce, ciphertext, data []byte) ([]byte, error) {
	n := len(ciphertext) - TagSize
	m := newMessage(s, nonce, data, n)
	if n < 0 || uint64(n) > maxLen {
		return nil, errOpen
	}
	want := block(ciphertext[n:])
	ret, out := extend(dst, n)
	checkOverlap(out, ciphertext, data)
	s.open(&m, out, ciphertext[:n])
	if subtle.ConstantTimeCompare(m.tag[:], want[:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return ret, nil
}

// newMessage returns what a call needs for n bytes.
func newMessage(s *schedule, nonce, data []byte, n int) (m message) {
	if len(nonce) != NonceSize {
		panic("gcm: nonce of wrong length")
	}
	copy(m.counter[:], nonce)
	m.counter[blockSize-1] = 1
	binary.BigEndian.PutUint64(m.lengths[:8], 8*uint64(len(data)))
	binary.BigEndian.PutUint64(m.lengths[8:], 8*uint64(n))
	for len(data) > blockSize {
		subtle.XORBytes(m.data[:], m.data[:], data[:blockSize])
		m.data = elementOf(&m.data).times(s.powers[stride-1]).block()
		data = data[blockSize:]
	}
	subtle.XORBytes(m.data[:], m.data[:], data)
	return m
}

// extend returns dst with n bytes more, and these.
func extend(dst []byte, n int) (all, more []byte) {
	all = slices.Grow(dst, n)[:len(dst)+n]
	return all, all[len(dst):]
}

// checkOverlap panics, as crypto/cipher does, if out shares memory with in without beginning
// there, or with data: what is still to be read would be written over, and keystream might get out.
func checkOverlap(out, in, data []byte) {
	if pointer(out) != pointer(in) && overlap(out, in) || overlap(out, data) {
		panic("gcm: invalid buffer overlap")
	}
}

func overlap(a, b []byte) bool {
	x, y := uintptr(unsafe.Pointer(pointer(a))), uintptr(unsafe.Pointer(pointer(b)))
	return len(a) > 0 && len(b) > 0 && x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}

// pointer returns where b begins, nil if it is empty.
func pointer(b []byte) *byte {
	if len(b) == 0 {
		return nil
	}
	return &b[0]
}
