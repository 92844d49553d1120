package rig

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// NewPattern returns the source of the stream that belongs to a seed.
func NewPattern(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// A Checker compares a stream, as it arrives, with what it must be.
type Checker struct {
	pattern *rand.ChaCha8
	want    []byte
	Offset  int64 // of the next byte
}

// NewChecker returns the checker of the stream that belongs to a seed.
func NewChecker(seed uint64) *Checker { return &Checker{pattern: NewPattern(seed)} }

// Check takes in the next bytes. After an error the checker is of no more use.
func (c *Checker) Check(b []byte) error {
	if len(c.want) < len(b) {
		c.want = make([]byte, len(b))
	}
	want := c.want[:len(b)]
	c.pattern.Read(want) // never fails
	if !bytes.Equal(b, want) {
		i := 0
		for b[i] == want[i] {
			i++
		}
		return &WrongError{fmt.Sprintf("byte %d is %#02x, not %#02x", c.Offset+int64(i), b[i], want[i])}
	}
	c.Offset += int64(len(b))
	return nil
}

// A message of the rr stream: its number, then bytes that follow from it.
const (
	MessageLen = 64 // bytes
	numberLen  = 8
)

// PutMessage writes message number n.
func PutMessage(b *[MessageLen]byte, n uint64) {
	binary.BigEndian.PutUint64(b[:], n)
	r := rand.NewPCG(n, MessageLen)
	for i := numberLen; i < MessageLen; i += 8 {
		binary.BigEndian.PutUint64(b[i:], r.Uint64())
	}
}

// MessageNumber returns the number that b bears.
func MessageNumber(b *[MessageLen]byte) uint64 { return binary.BigEndian.Uint64(b[:]) }

// CheckMessage checks that b is message number n.
func CheckMessage(b *[MessageLen]byte, n uint64) error {
	var want [MessageLen]byte
	PutMessage(&want, n)
	if *b == want {
		return nil
	}
	if got := MessageNumber(b); got != n {
		return &WrongError{fmt.Sprintf("answer %d came where %d was due", got, n)}
	}
	return &WrongError{fmt.Sprintf("answer %d has wrong contents", n)}
}

// A WrongError says that something arrived that was not sent, or did not arrive.
type WrongError struct{ Text string }

func (e *WrongError) Error() string { return e.Text }
