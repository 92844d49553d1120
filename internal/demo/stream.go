package demo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// newPattern returns the source of the stream that belongs to a seed.
func newPattern(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// A checker compares a stream, as it arrives, with what it must be.
type checker struct {
	pattern *rand.ChaCha8
	want    []byte
	offset  int64 // of the next byte
}

func newChecker(seed uint64) *checker { return &checker{pattern: newPattern(seed)} }

// check takes in the next bytes. After an error the checker is of no more use.
func (c *checker) check(b []byte) error {
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
		return &wrongError{fmt.Sprintf("byte %d is %#02x, not %#02x", c.offset+int64(i), b[i], want[i])}
	}
	c.offset += int64(len(b))
	return nil
}

// A message of the rr stream: its number, then bytes that follow from it.
const (
	messageLen = 64 // bytes
	numberLen  = 8
)

// putMessage writes message number n.
func putMessage(b *[messageLen]byte, n uint64) {
	binary.BigEndian.PutUint64(b[:], n)
	r := rand.NewPCG(n, messageLen)
	for i := numberLen; i < messageLen; i += 8 {
		binary.BigEndian.PutUint64(b[i:], r.Uint64())
	}
}

// checkMessage checks that b is message number n.
func checkMessage(b *[messageLen]byte, n uint64) error {
	var want [messageLen]byte
	putMessage(&want, n)
	if *b == want {
		return nil
	}
	if got := binary.BigEndian.Uint64(b[:]); got != n {
		return &wrongError{fmt.Sprintf("answer %d came where %d was due", got, n)}
	}
	return &wrongError{fmt.Sprintf("answer %d has wrong contents", n)}
}

// A wrongError says that something arrived that was not sent.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }
