package gcm

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func newKey(r *rand.Rand) *[KeySize]byte { return (*[KeySize]byte)(random(r, KeySize)) }

// A maker makes a cipher.
type maker func(*[KeySize]byte) cipher.AEAD

// each tests the code for each width of instructions that the processor has. Where that is
// none, crypto/aes is compared with itself.
func each(t *testing.T, test func(t *testing.T, ours maker)) {
	for w := min(2, width); w <= width; w *= 2 {
		t.Run(fmt.Sprintf("%d at a time", w), func(t *testing.T) {
			test(t, func(key *[KeySize]byte) cipher.AEAD { return newOf(key, w) })
		})
	}
}

// newOf is New with instructions that take w blocks.
func newOf(key *[KeySize]byte, w int) cipher.AEAD {
	if w == 1 {
		return newStandard(key)
	}
	return newWide(key, w)
}

// TestWidth: New takes the widest.
func TestWidth(t *testing.T) {
	var key [KeySize]byte
	if got, want := fmt.Sprintf("%T", New(&key)), fmt.Sprintf("%T", newOf(&key, width)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	t.Logf("%d blocks at a time", width)
}

// check compares what both make of a message, elsewhere and in place.
func check(t *testing.T, ours, standard cipher.AEAD, nonce, plain, data []byte) {
	t.Helper()
	want := standard.Seal(nil, nonce, plain, data)
	prefix := []byte("before")
	got := ours.Seal(prefix, nonce, plain, data)
	if !bytes.Equal(got[:len(prefix)], prefix) || !bytes.Equal(got[len(prefix):], want) {
		t.Fatalf("%d bytes, %d of additional data: sealed wrongly", len(plain), len(data))
	}
	const behind = 70
	buf := append(bytes.Clone(plain), bytes.Repeat([]byte{0xa5}, TagSize+behind)...)
	if got := ours.Seal(buf[:0], nonce, buf[:len(plain)], data); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes: sealed wrongly in place", len(plain))
	}
	if rest := buf[len(want):]; !bytes.Equal(rest, bytes.Repeat([]byte{0xa5}, behind)) {
		t.Fatalf("%d bytes: written behind the end: %x", len(plain), rest)
	}
	if got, err := ours.Open(nil, nonce, want, data); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes: opened wrongly: %v", len(plain), err)
	}
	if got, err := ours.Open(buf[:0], nonce, buf[:len(want)], data); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes: opened wrongly in place: %v", len(plain), err)
	}
}

// TestLikeTheStandardLibrary: all lengths around the units in which the code works.
func TestLikeTheStandardLibrary(t *testing.T) {
	each(t, func(t *testing.T, ours maker) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 1100 {
			key := newKey(r)
			check(t, ours(key), newStandard(key), random(r, NonceSize), random(r, n), random(r, r.IntN(50)))
		}
		for range 300 {
			key := newKey(r)
			check(t, ours(key), newStandard(key), random(r, NonceSize), random(r, r.IntN(70_000)), random(r, r.IntN(300)))
		}
	})
}

// TestKnownAnswers: test cases 13 to 16 of the specification of GCM.
func TestKnownAnswers(t *testing.T) {
	const (
		key    = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
		nonce  = "cafebabefacedbaddecaf888"
		plain  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
		cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
		short  = 2 * 60
	)
	zeros := strings.Repeat("00", KeySize)
	for _, c := range []struct{ key, nonce, plain, data, want string }{
		{zeros, zeros[:2*NonceSize], "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{zeros, zeros[:2*NonceSize], zeros[:32], "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
		{key, nonce, plain, "", cipher + "b094dac5d93471bdec1a502270e3cc6c"},
		{key, nonce, plain[:short], "feedfacedeadbeeffeedfacedeadbeefabaddad2", cipher[:short] + "76fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		each(t, func(t *testing.T, ours maker) {
			a := ours((*[KeySize]byte)(unhex(t, c.key)))
			if got := hex.EncodeToString(a.Seal(nil, unhex(t, c.nonce), unhex(t, c.plain), unhex(t, c.data))); got != c.want {
				t.Errorf("%d bytes: %s, want %s", len(c.plain)/2, got, c.want)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMisuse: lengths are crypto/cipher's, and what that refuses is refused in the same way.
func TestMisuse(t *testing.T) { each(t, misuse) }

func misuse(t *testing.T, ours maker) {
	nonce, data := make([]byte, NonceSize), make([]byte, 8)
	if a, b := ours(new([KeySize]byte)), newStandard(new([KeySize]byte)); a.NonceSize() != b.NonceSize() || a.Overhead() != b.Overhead() {
		t.Errorf("nonces of %d bytes and %d more, want %d and %d", a.NonceSize(), a.Overhead(), b.NonceSize(), b.Overhead())
	}
	for _, c := range []struct {
		name string
		do   func(cipher.AEAD)
	}{
		{"output a byte after the input", func(a cipher.AEAD) { b := make([]byte, 100); a.Seal(b[1:1], nonce, b[:50], data) }},
		{"output a block before the input", func(a cipher.AEAD) { b := make([]byte, 100); a.Seal(b[:0], nonce, b[16:66], data) }},
		{"output on the additional data", func(a cipher.AEAD) { b := make([]byte, 100); a.Seal(b[:0], nonce, b[:50], b[60:68]) }},
		{"output of Open after the input", func(a cipher.AEAD) { b := make([]byte, 100); _, _ = a.Open(b[8:8], nonce, b[:50], data) }},
		{"short nonce", func(a cipher.AEAD) { a.Seal(nil, nonce[1:], nil, nil) }},
		{"short nonce and ciphertext", func(a cipher.AEAD) { _, _ = a.Open(nil, nonce[1:], nil, nil) }},
	} {
		for name, a := range map[string]maker{"ours": ours, "standard": newStandard} {
			if !panics(func() { c.do(a(new([KeySize]byte))) }) {
				t.Errorf("%s, %s: no panic", c.name, name)
			}
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// TestEdgesOfTheField: blocks and hash keys of few bits or nearly all.
func TestEdgesOfTheField(t *testing.T) { each(t, edges) }

func edges(t *testing.T, ours maker) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, fill := range []byte{0, 0xff, 0x80, 0x01} {
		key := [KeySize]byte(bytes.Repeat([]byte{fill}, KeySize))
		for n := range 600 {
			check(t, ours(&key), newStandard(&key), bytes.Repeat([]byte{fill}, NonceSize), bytes.Repeat([]byte{^fill}, n), random(r, n%20))
		}
	}
}

// TestForged: a bit that is changed anywhere is noticed, and nothing is given out.
func TestForged(t *testing.T) { each(t, forged) }

func forged(t *testing.T, maker maker) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 300} {
		ours := maker(newKey(r))
		nonce, data := random(r, NonceSize), random(r, 8)
		sealed := ours.Seal(nil, nonce, random(r, n), data)
		flipped := func(what string, b []byte) {
			for i := range 8 * len(b) {
				b[i/8] ^= 1 << (i % 8)
				dst := bytes.Repeat([]byte{0xa5}, n)
				if got, err := ours.Open(dst[:0], nonce, sealed, data); err == nil || got != nil {
					t.Fatalf("%d bytes: bit %d of the %s is not noticed", n, i, what)
				}
				if !bytes.Equal(dst, make([]byte, n)) {
					t.Fatalf("%d bytes: what is forged is given out", n)
				}
				b[i/8] ^= 1 << (i % 8)
			}
		}
		flipped("ciphertext", sealed)
		flipped("nonce", nonce)
		flipped("additional data", data)
		if _, err := ours.Open(nil, nonce, sealed, data); err != nil {
			t.Fatal(err)
		}
		for cut := range min(len(sealed), TagSize+1) {
			if _, err := ours.Open(nil, nonce, sealed[:cut], data); err == nil {
				t.Fatalf("%d of %d bytes are taken for all", cut, len(sealed))
			}
		}
	}
}

func FuzzSeal(f *testing.F) {
	f.Add([]byte("key"), []byte("nonce"), []byte("plain"), []byte("data"))
	f.Fuzz(func(t *testing.T, keyed, nonced, plain, data []byte) {
		var key [KeySize]byte
		var nonce [NonceSize]byte
		copy(key[:], keyed)
		copy(nonce[:], nonced)
		for w := min(2, width); w <= width; w *= 2 {
			check(t, newOf(&key, w), newStandard(&key), nonce[:], plain, data)
		}
	})
}

func BenchmarkGCM(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	key := newKey(r)
	for w := 1; w <= width; w *= 2 {
		x := struct {
			name string
			make maker
		}{fmt.Sprint(w), func(key *[KeySize]byte) cipher.AEAD { return newOf(key, w) }}
		b.Run("New/"+x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.make(key)
			}
		})
		for _, n := range []int{64, 1400, 8900} {
			aead, nonce, data, plain := x.make(key), random(r, NonceSize), random(r, 8), random(r, n)
			sealed := aead.Seal(nil, nonce, plain, data)
			b.Run(fmt.Sprintf("Seal/%s/%d", x.name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				dst := make([]byte, 0, n+TagSize)
				for b.Loop() {
					aead.Seal(dst, nonce, plain, data)
				}
			})
			b.Run(fmt.Sprintf("Open/%s/%d", x.name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				dst := make([]byte, 0, n)
				for b.Loop() {
					if _, err := aead.Open(dst, nonce, sealed, data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
