package wire

const (
	// CookieNonceLen is the length of the nonce that a cookie is sealed under.
	CookieNonceLen = 24
	// SealedCookieLen is the length of a sealed cookie: 16 bytes and their
	// authentication tag.
	SealedCookieLen = 16 + AuthLen
	// RetryLen is the length of a Retry.
	RetryLen = HeaderLen + CookieNonceLen + SealedCookieLen
)

// A RetryMessage is a datagram of type Retry: a node under load answers an
// Open 1 with a cookie, to be proved in mac2 of the next.
type RetryMessage struct {
	// Tag is the receiver's, taken from the Open that this answers.
	Tag    Tag
	Nonce  [CookieNonceLen]byte
	Cookie [SealedCookieLen]byte
}

// ParseRetry reads the datagram b, of type Retry. A longer one is accepted.
func ParseRetry(b []byte) (RetryMessage, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return RetryMessage{}, err
	}
	if h.Type != Retry {
		return RetryMessage{}, typeError(h.Type)
	}
	if err := checkLen("retry", b, RetryLen); err != nil {
		return RetryMessage{}, err
	}
	return RetryMessage{
		Tag:    h.Tag,
		Nonce:  [CookieNonceLen]byte(b[HeaderLen:]),
		Cookie: [SealedCookieLen]byte(b[HeaderLen+CookieNonceLen:]),
	}, nil
}

// AppendTo appends the datagram to b.
func (r RetryMessage) AppendTo(b []byte) []byte {
	b = Header{Type: Retry, Tag: r.Tag}.AppendTo(b)
	b = append(b, r.Nonce[:]...)
	return append(b, r.Cookie[:]...)
}

// Len is the length of the datagram.
func (r RetryMessage) Len() int { return RetryLen }
