package rig

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestChecker: a stream is right however it is cut into reads, and one changed
// byte is found where it is.
func TestChecker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		sent := make([]byte, rapid.IntRange(1, 5000).Draw(t, "length"))
		NewPattern(seed).Read(sent)
		bad := rapid.IntRange(-1, len(sent)-1).Draw(t, "bad")
		if bad >= 0 {
			sent[bad] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		}
		c := NewChecker(seed)
		for rest := sent; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "read")
			if err := c.Check(rest[:n]); err != nil {
				if !strings.HasPrefix(err.Error(), fmt.Sprintf("byte %d is ", bad)) {
					t.Fatalf("byte %d is wrong, but: %v", bad, err)
				}
				return
			}
			rest = rest[n:]
		}
		if bad >= 0 || c.Offset != int64(len(sent)) {
			t.Fatalf("wrong byte %d of %d not found; offset %d", bad, len(sent), c.Offset)
		}
	})
}

func TestCheckerMissingPiece(t *testing.T) {
	b := make([]byte, 3000)
	NewPattern(1).Read(b)
	c := NewChecker(1)
	if err := errors.Join(c.Check(b[:1000]), c.Check(b[2000:])); err == nil {
		t.Error("bytes 1000 to 1999 are missing, and nobody minds")
	}
}

func TestCheckMessage(t *testing.T) {
	var good, changed [MessageLen]byte
	PutMessage(&good, 7)
	changed = good
	changed[MessageLen-1]++
	tests := []struct {
		name    string
		message [MessageLen]byte
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
			if err := CheckMessage(&tt.message, tt.number); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
