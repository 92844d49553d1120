package wire

import (
	"errors"
	"fmt"
	"math"
)

// Every error of this package wraps one of these, so that drops can be counted
// by reason.
var (
	// ErrTruncated: the message ends before it should.
	ErrTruncated = errors.New("truncated")
	// ErrTooLong: the message, or a list in it, is longer than allowed.
	ErrTooLong = errors.New("too long")
	// ErrVersion: the header is of another version.
	ErrVersion = errors.New("wrong version")
	// ErrType: the header's type is unknown, or not the one parsed for.
	ErrType = errors.New("wrong type")
	// ErrTag: a tag is zero or has more than 24 bits.
	ErrTag = errors.New("bad tag")
	// ErrKind: the payload's kind is unknown, or not the one parsed for.
	ErrKind = errors.New("wrong kind")
	// ErrAddress: a locator can be nobody's unicast address and port.
	ErrAddress = errors.New("bad address")
)

// The errors of the packet path hold one byte, or are made beforehand: turning
// them into an error allocates nothing, so a flood of junk makes no garbage.
type (
	versionError uint8
	typeError    uint8
	kindError    uint8
)

func (e versionError) Error() string { return fmt.Sprintf("wire: %v %d", ErrVersion, uint8(e)) }
func (e versionError) Unwrap() error { return ErrVersion }

func (e typeError) Error() string { return fmt.Sprintf("wire: %v %d", ErrType, uint8(e)) }
func (e typeError) Unwrap() error { return ErrType }

func (e kindError) Error() string { return fmt.Sprintf("wire: %v %d", ErrKind, uint8(e)) }
func (e kindError) Unwrap() error { return ErrKind }

var (
	errZeroTag      = fmt.Errorf("wire: header: %w 0", ErrTag)
	errPayloadLen   = fmt.Errorf("wire: inner header: payload %w: at most %d bytes", ErrTooLong, math.MaxUint16)
	headerTruncated = truncations("header", HeaderLen)
	innerTruncated  = truncations("inner header", InnerLen)
)

// truncations returns the errors for each length below want.
func truncations(what string, want int) []error {
	errs := make([]error, want)
	for have := range errs {
		errs[have] = &lengthError{what, have, want}
	}
	return errs
}

// A lengthError says that something has too few bytes or, where have exceeds
// want, too many. Most are only counted, so the text is made when asked for.
type lengthError struct {
	what       string
	have, want int
}

func (e *lengthError) Error() string {
	if e.have > e.want {
		return fmt.Sprintf("wire: %s %v: %d bytes, at most %d", e.what, ErrTooLong, e.have, e.want)
	}
	return fmt.Sprintf("wire: %s %v: %d of %d bytes", e.what, ErrTruncated, e.have, e.want)
}

func (e *lengthError) Unwrap() error {
	if e.have > e.want {
		return ErrTooLong
	}
	return ErrTruncated
}

// checkLen returns an error if b is shorter than want.
func checkLen(what string, b []byte, want int) error {
	if len(b) < want {
		return &lengthError{what, len(b), want}
	}
	return nil
}
