package wire

import (
	"encoding/binary"
	"fmt"
	"time"
)

// MaxOK is how many received Polls a Poll can name.
const MaxOK = 8

const (
	pollLen    = 8 + 1 + 1 // without OK list
	okLen      = 8 + 4 + 4
	flagAnswer = 1 << 0 // in a Poll's flags
	flagMove   = 1 << 1 // likewise
	flagWish   = 1 << 2 // likewise
)

// An OK names a Poll that came (draft §5.4).
type OK struct {
	// ID is that Poll's.
	ID uint64
	// Held is how long ago it came; whoever sent it takes this off the round
	// trip.
	Held time.Duration
	// Came counts the datagrams that have come over the same pair until then, from
	// any number on and modulo 2^32: two OKs tell how many came in between.
	Came uint32
}

// An OKList holds up to MaxOK OKs, by value. The zero OKList is empty.
type OKList struct {
	n    uint8
	list [MaxOK]OK
}

// Add puts ok at the end. It fails if the list is full; l stays as it was.
func (l *OKList) Add(ok OK) error {
	if l.n == MaxOK {
		return fmt.Errorf("wire: poll %w: at most %d OKs", ErrTooLong, MaxOK)
	}
	l.list[l.n] = ok
	l.n++
	return nil
}

// All returns the OKs, which stay part of l.
func (l *OKList) All() []OK { return l.list[:l.n:l.n] }

// A Poll tests the pair it travels on, and tells which of the peer's Polls came
// (draft §5.4).
type Poll struct {
	// ID is unique to the sender, and unpredictable.
	ID uint64
	// Answer: the sender wants an answer.
	Answer bool
	// Move: the sender looks for a new primary pair.
	Move bool
	// Wish: the sender's user wants the peer to send over the reverse of the pair,
	// too.
	Wish bool
	// OK names the peer's Polls that came lately.
	OK OKList
}

// ParsePoll reads the body of a Poll frame.
func ParsePoll(b []byte) (Poll, error) {
	if err := checkLen("poll", b, pollLen); err != nil {
		return Poll{}, err
	}
	p := Poll{
		ID:     binary.BigEndian.Uint64(b), // id (64)
		Answer: b[8]&flagAnswer != 0,       // flags (8)
		Move:   b[8]&flagMove != 0,
		Wish:   b[8]&flagWish != 0,
	}
	count := int(b[9]) // count (8)
	if err := checkLen("poll", b, pollLen+count*okLen); err != nil {
		return Poll{}, err
	}
	for i := range count {
		ok := b[pollLen+i*okLen:]
		err := p.OK.Add(OK{
			ID:   binary.BigEndian.Uint64(ok),      // id (64)
			Held: parseMicros(ok[8:]),              // held (32)
			Came: binary.BigEndian.Uint32(ok[12:]), // came (32)
		})
		if err != nil {
			return Poll{}, err
		}
	}
	return p, nil
}

// AppendTo appends the frame to b.
func (p Poll) AppendTo(b []byte) []byte {
	var flags byte
	if p.Answer {
		flags |= flagAnswer
	}
	if p.Move {
		flags |= flagMove
	}
	if p.Wish {
		flags |= flagWish
	}
	b = appendFrameHeader(b, FramePoll, p.Len()-FrameHeaderLen)
	b = binary.BigEndian.AppendUint64(b, p.ID)
	b = append(b, flags, p.OK.n)
	for _, ok := range p.OK.All() {
		b = binary.BigEndian.AppendUint64(b, ok.ID)
		b = appendMicros(b, ok.Held)
		b = binary.BigEndian.AppendUint32(b, ok.Came)
	}
	return b
}

// Len is the length of the frame.
func (p Poll) Len() int { return FrameHeaderLen + pollLen + int(p.OK.n)*okLen }
