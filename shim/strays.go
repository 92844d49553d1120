package shim

import (
	"slices"

	"github.com/multi6/multi6/wire"
)

// strays are the datagrams last sent over other pairs than the primary. That the peer has
// received them says nothing of that one.
type strays struct {
	last  [8]stray
	count int
}

// A stray is named by the tag that it went out with and its number, cut to 32 bits.
type stray struct {
	number uint32
	tag    wire.Tag
}

// note takes down a datagram that was sealed with s.
func (x *strays) note(s *Session, datagram []byte) {
	if h, err := wire.ParseHeader(datagram); err == nil {
		x.last[x.count%len(x.last)] = stray{h.Number, s.remote}
		x.count++
	}
}

// has reports whether packet number of s is one of them.
func (x *strays) has(s *Session, number uint64) bool {
	known := min(x.count, len(x.last))
	return slices.Contains(x.last[:known], stray{uint32(number), s.remote})
}
