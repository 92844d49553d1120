package node

import (
	"bytes"
	"testing"
)

// TestSigned: a segment whose options cover its payload is not cut.
func TestSigned(t *testing.T) {
	timestamps := []byte{1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0}
	md5 := append([]byte{19, 18}, make([]byte, 16)...)
	for _, c := range []struct {
		name    string
		options []byte
		want    bool
	}{
		{"none", nil, false},
		{"timestamps", timestamps, false},
		{"MD5", append(bytes.Clone(md5), 1, 1), true},
		{"MD5 behind others", append(bytes.Clone(timestamps), append(md5, 0, 0)...), true},
		{"TCP-AO", append([]byte{1, 1, 29, 16}, make([]byte, 16)...), true},
		{"behind the end", append([]byte{0, 0}, append(md5, 0)...)[:20], false},
		{"19 within another", []byte{8, 10, 19, 19, 19, 19, 19, 19, 19, 19, 0, 0}, false},
		{"cut", []byte{8, 10, 1, 1}, false},
		{"a length of none", []byte{8, 0, 19, 18}, false},
		{"without a length", []byte{1, 1, 1, 8}, false},
	} {
		segment := append(make([]byte, 20), c.options...)
		segment[12] = byte(len(segment) / 4 << 4)
		segment = append(segment, 19, 18, 29, 16)
		if got := signed(segment); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
