package shim

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flynn/noise"
	"golang.org/x/crypto/blake2s"

	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/wire"
)

// Open is Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s in two messages, the payloads of
// which are frames:
//
//	Open 1  e, es, s, ss    Params, LocatorSet, Addresses, padding
//	Open 2  e, ee, se, psk  Params, LocatorSet, Addresses, padding
//
// Either carries mac1, which only who knows the receiver's public key can make,
// so that others get no answer (WireGuard §5.4.4).

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s)

var prologue = []byte("multi6 v1")

const mac1Label = "multi6 mac1"

// openLeast is the least length of an Open 1, so that its answer, with as many
// locators, is not longer than the question.
const openLeast = 512

// An Identity is this node's key pair.
type Identity struct {
	Private PrivateKey
	Public  PublicKey
}

// NewIdentity returns the identity of who holds k.
func NewIdentity(k PrivateKey) Identity { return Identity{k, k.Public()} }

func (id Identity) dhKey() noise.DHKey {
	return noise.DHKey{Private: id.Private[:], Public: id.Public[:]}
}

// A greeting is what an Open says besides keys.
type greeting struct {
	params   wire.Params
	locators wire.LocatorSet
	// addresses is the pair as the sender sees it, zero if it does not say.
	addresses wire.Addresses
}

func (g greeting) payload(least, openLen int) []byte {
	b := g.params.AppendTo(nil)
	b = g.locators.AppendTo(b)
	b = g.addresses.AppendTo(b)
	if pad, ok := wire.OpenPadding(openLen+len(b), least); ok {
		b = wire.AppendPadding(b, pad)
	}
	return b
}

func parseGreeting(payload []byte) (g greeting, err error) {
	seen := false
	for f := wire.Frames(payload); len(f) > 0; {
		typ, body, rest, err := f.Next()
		if err != nil {
			return g, err
		}
		switch typ {
		case wire.FrameParams:
			seen = true
			g.params, err = wire.ParseParams(body)
		case wire.FrameLocatorSet:
			g.locators, err = wire.ParseLocatorSet(body)
		case wire.FrameAddresses:
			g.addresses, err = wire.ParseAddresses(body)
		}
		if err != nil {
			return g, err
		}
		f = rest
	}
	if !seen {
		return g, errors.New("shim: open without params")
	}
	return g, nil
}

// keys are the raw transport keys of one Open.
type keys struct{ seal, open [32]byte }

// An initiation is an Open 1 of ours that may yet be answered.
type initiation struct {
	noise *noise.HandshakeState
	tag   wire.Tag
	// poll is the identifier of the Poll that it stands for, if any.
	poll uint64
	// stamp is its timestamp.
	stamp uint64
	// rekey says that it replaces a session that still works.
	rekey bool
	// over is the pair that it went over.
	over locator.Pair
	at   time.Time
	// sequence is that of the LocatorSet in it.
	sequence uint32
}

func handshake(id Identity, random io.Reader, psk *PresharedKey, initiator bool, peer []byte) (*noise.HandshakeState, error) {
	c := noise.Config{
		CipherSuite: suite, Random: random, Pattern: noise.HandshakeIK, Initiator: initiator,
		Prologue: prologue, StaticKeypair: id.dhKey(), PeerStatic: peer, PresharedKeyPlacement: 2,
	}
	if psk != nil {
		c.PresharedKey = psk[:]
	}
	return noise.NewHandshakeState(c)
}

// writeOpen1 returns an Open 1 to peer.
func writeOpen1(id Identity, random io.Reader, peer PublicKey, psk *PresharedKey, g greeting) (*noise.HandshakeState, []byte, error) {
	hs, err := handshake(id, random, psk, true, peer[:])
	if err != nil {
		return nil, nil, err
	}
	msg, _, _, err := hs.WriteMessage(nil, g.payload(openLeast, wire.MinOpen1Len))
	if err != nil {
		return nil, nil, err
	}
	return hs, seal(wire.Open{Type: wire.Open1, Tag: g.params.Tag, Noise: msg}, peer), nil
}

// An Incoming is an Open 1 that a node has received: who sent it is known, and
// that it is genuine, but not yet that it is new.
type Incoming struct {
	Peer PublicKey

	noise    *noise.HandshakeState
	greeting greeting
	raw      []byte
}

// ReadOpen1 reads an Open 1 for id. raw is the whole datagram and o what it
// parses to.
func ReadOpen1(id Identity, random io.Reader, raw []byte, o wire.Open) (*Incoming, error) {
	if !KnowsKey(id.Public, raw, o) {
		return nil, errors.New("shim: open 1: mac1 is wrong")
	}
	hs, err := handshake(id, random, nil, false, nil)
	if err != nil {
		return nil, err
	}
	payload, _, _, err := hs.ReadMessage(nil, o.Noise)
	if err != nil {
		return nil, fmt.Errorf("shim: open 1: %w", err)
	}
	g, err := parseGreeting(payload)
	if err != nil {
		return nil, err
	}
	if g.params.Tag != o.Tag {
		return nil, errors.New("shim: open 1: tags differ")
	}
	return &Incoming{Peer: PublicKey(hs.PeerStatic()), noise: hs, greeting: g, raw: raw}, nil
}

// writeOpen2 returns the answer to in, and the keys.
func (in *Incoming) writeOpen2(psk *PresharedKey, g greeting) ([]byte, keys, error) {
	if err := in.noise.SetPresharedKey(psk[:]); err != nil {
		return nil, keys{}, err
	}
	msg, fromInitiator, toInitiator, err := in.noise.WriteMessage(nil, g.payload(0, wire.MinOpen2Len))
	if err != nil {
		return nil, keys{}, err
	}
	b := seal(wire.Open{Type: wire.Open2, Tag: in.greeting.params.Tag, Noise: msg}, in.Peer)
	return b, keys{seal: toInitiator.UnsafeKey(), open: fromInitiator.UnsafeKey()}, nil
}

// readOpen2 reads the answer to i. If it is not genuine, i can still be answered.
func (i *initiation) readOpen2(id Identity, raw []byte, o wire.Open) (greeting, keys, error) {
	if !KnowsKey(id.Public, raw, o) {
		return greeting{}, keys{}, errors.New("shim: open 2: mac1 is wrong")
	}
	payload, toResponder, fromResponder, err := i.noise.ReadMessage(nil, o.Noise)
	if err != nil {
		return greeting{}, keys{}, fmt.Errorf("shim: open 2: %w", err)
	}
	g, err := parseGreeting(payload)
	if err != nil {
		return greeting{}, keys{}, err
	}
	return g, keys{seal: toResponder.UnsafeKey(), open: fromResponder.UnsafeKey()}, nil
}

// seal returns the datagram of o with the mac1 that its receiver asks for.
func seal(o wire.Open, receiver PublicKey) []byte {
	b := o.AppendTo(make([]byte, 0, o.Len()))
	wire.SetMAC1(b, mac1(receiver, wire.CoveredByMAC1(b)))
	return b
}

// KnowsKey reports whether who sent an Open knows the receiver's public key, by the Open's
// mac1. That costs far less than reading it. raw is the whole datagram and o what it parses
// to.
func KnowsKey(receiver PublicKey, raw []byte, o wire.Open) bool {
	want := mac1(receiver, wire.CoveredByMAC1(raw))
	return hmac.Equal(want[:], o.MAC1[:])
}

func mac1(receiver PublicKey, covered []byte) (m [wire.MACLen]byte) {
	key := blake2s.Sum256(append([]byte(mac1Label), receiver[:]...))
	h, err := blake2s.New128(key[:])
	if err != nil {
		panic("shim: " + err.Error()) // the key's length is right
	}
	h.Write(covered)
	h.Sum(m[:0])
	return m
}

// chooseCipher returns the cipher that both ends can use, zero if there is none.
func chooseCipher(a, b wire.Ciphers) wire.Ciphers {
	for _, c := range []wire.Ciphers{wire.AES256GCM, wire.ChaCha20Poly1305} {
		if a&b&c != 0 {
			return c
		}
	}
	return 0
}
