package demo

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// TestChecker: a stream is right however it is cut into reads, and one changed
// byte is found where it is.
func TestChecker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		sent := make([]byte, rapid.IntRange(1, 5000).Draw(t, "length"))
		newPattern(seed).Read(sent)
		bad := rapid.IntRange(-1, len(sent)-1).Draw(t, "bad")
		if bad >= 0 {
			sent[bad] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		}
		c := newChecker(seed)
		for rest := sent; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "read")
			if err := c.check(rest[:n]); err != nil {
				if !strings.HasPrefix(err.Error(), fmt.Sprintf("byte %d is ", bad)) {
					t.Fatalf("byte %d is wrong, but: %v", bad, err)
				}
				return
			}
			rest = rest[n:]
		}
		if bad >= 0 || c.offset != int64(len(sent)) {
			t.Fatalf("wrong byte %d of %d not found; offset %d", bad, len(sent), c.offset)
		}
	})
}

func TestCheckerMissingPiece(t *testing.T) {
	b := make([]byte, 3000)
	newPattern(1).Read(b)
	c := newChecker(1)
	if err := errors.Join(c.check(b[:1000]), c.check(b[2000:])); err == nil {
		t.Error("bytes 1000 to 1999 are missing, and nobody minds")
	}
}

func TestCheckMessage(t *testing.T) {
	var good, changed [messageLen]byte
	putMessage(&good, 7)
	changed = good
	changed[messageLen-1]++
	tests := []struct {
		name    string
		message [messageLen]byte
		number  uint64
		want    string
	}{
		{"right", good, 7, ""},
		{"twice", good, 8, "answer 7 came where 8 was due"},
		{"one lost", good, 6, "answer 7 came where 6 was due"},
		{"changed", changed, 7, "answer 7 has wrong contents"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := checkMessage(&tt.message, tt.number); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSortError(t *testing.T) {
	tests := []struct {
		name         string
		err          error
		wrong, reset bool
	}{
		{"none", nil, false, false},
		{"of another part", syscall.ECONNRESET, false, false},
		{"reset", &streamError{"bulk", &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, false, true},
		{"timed out in the kernel", &streamError{"rr", syscall.ETIMEDOUT}, false, true},
		{"wrong byte", &streamError{"bulk", &wrongError{"byte 1"}}, true, false},
		{"short", &streamError{"bulk", ended(1, 2, "bytes")}, true, false},
		{"never drained", &streamError{"rr", os.ErrDeadlineExceeded}, true, false},
		{"closed by us", &streamError{"rr", net.ErrClosed}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if wrong, reset := sortError(tt.err); wrong != tt.wrong || reset != tt.reset {
				t.Errorf("wrong %v, reset %v; want %v, %v", wrong, reset, tt.wrong, tt.reset)
			}
		})
	}
	if err := ended(2, 2, "bytes"); err != nil {
		t.Error(err)
	}
}
