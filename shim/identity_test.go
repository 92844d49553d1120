package shim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// Bob's keys of RFC 7748 §6.1.
func TestPublicKey(t *testing.T) {
	private, _ := hex.DecodeString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
	const public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
	k := PrivateKey(private).Public()
	if got := hex.EncodeToString(k[:]); got != public {
		t.Errorf("public key %s, want %s", got, public)
	}
	if id := NewIdentity(PrivateKey(private)); id.Public != k {
		t.Error("the identity has another public key")
	}
}

func TestNewPrivateKeyClamps(t *testing.T) {
	k := NewPrivateKey([32]byte(bytes.Repeat([]byte{0xff}, 32)))
	if k[0] != 0xf8 || k[31] != 0x7f {
		t.Errorf("ends are %#x and %#x", k[0], k[31])
	}
	if k = NewPrivateKey([32]byte{}); k[31] != 0x40 {
		t.Errorf("the upper end is %#x", k[31])
	}
}

func TestIdentifier(t *testing.T) {
	for seed := range byte(10) {
		k := key(seed).Public()
		hash := sha256.Sum256(append([]byte("multi6 identifier v1"), k[:]...))
		want := netip.AddrFrom16([16]byte(append([]byte{0xfd}, hash[:15]...)))
		if got := k.Identifier(); got != want {
			t.Errorf("identifier %v, want %v", got, want)
		}
		if !netip.MustParsePrefix("fd00::/8").Contains(want) {
			t.Errorf("%v is outside fd00::/8", want)
		}
	}
	if key(1).Public().Identifier() == key(2).Public().Identifier() {
		t.Error("two keys, one identifier")
	}
}

// The value is fixed for good: another would cut off every configured peer.
func TestIdentifierVector(t *testing.T) {
	var k PublicKey
	for i := range k {
		k[i] = byte(i)
	}
	const want = "fddd:6508:aebd:ac71:f417:3f24:cccd:a316"
	if got := k.Identifier().String(); got != want {
		t.Errorf("identifier %s, want %s", got, want)
	}
}

func TestKeyText(t *testing.T) {
	private, public := key(7), key(7).Public()
	if k, err := ParsePrivateKey(" " + private.Text() + "\n"); err != nil || k != private {
		t.Errorf("private key does not come back: %v", err)
	}
	if k, err := ParsePublicKey(public.String()); err != nil || k != public {
		t.Errorf("public key does not come back: %v", err)
	}
	if k, err := ParsePresharedKey(private.Text()); err != nil || k != PresharedKey(private) {
		t.Errorf("pre-shared key does not come back: %v", err)
	}
	if public.Short() != public.String()[:8] || len(public.String()) != 44 {
		t.Errorf("%q, short %q", public.String(), public.Short())
	}
}

func TestParseKeyErrors(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"empty", ""},
		{"not base64", "???"},
		{"short", base64.StdEncoding.EncodeToString(make([]byte, 31))},
		{"long", base64.StdEncoding.EncodeToString(make([]byte, 33))},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32))},
		{"inner space", key(1).Text()[:20] + "  " + key(1).Text()[20:]},
	} {
		if _, err := ParsePrivateKey(c.text); err == nil {
			t.Errorf("%s: private key accepted", c.name)
		}
		if _, err := ParsePublicKey(c.text); err == nil {
			t.Errorf("%s: public key accepted", c.name)
		}
		if _, err := ParsePresharedKey(c.text); err == nil {
			t.Errorf("%s: pre-shared key accepted", c.name)
		}
	}
}

func TestKeysOrder(t *testing.T) {
	a, b := PublicKey{0: 1}, PublicKey{0: 1, 31: 1}
	if !a.Less(b) || b.Less(a) || a.Less(a) {
		t.Error("not the order of big-endian numbers")
	}
}

// shows reports whether s has the key in any of the usual spellings.
func shows(s string, k [32]byte) bool {
	s = strings.ToLower(s)
	numbers := strings.Trim(fmt.Sprint(k[:8]), "[]")
	gosyntax := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", k[:4]), "[]byte{"), "}")
	for _, spelling := range []string{
		hex.EncodeToString(k[:8]), strings.ToLower(base64.StdEncoding.EncodeToString(k[:])),
		numbers, strings.ReplaceAll(numbers, " ", ","), gosyntax,
	} {
		if strings.Contains(s, spelling) {
			return true
		}
	}
	return false
}

func TestSecretsStayHidden(t *testing.T) {
	private, psk := key(7), PresharedKey(key(8))
	holder := struct {
		Identity Identity
		PSK      PresharedKey
		Pointer  *PrivateKey
	}{NewIdentity(private), psk, &private}
	cfg := Config{Node: &Node{}, Identity: holder.Identity, PresharedKey: psk}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		for _, x := range []any{private, psk, &private, holder, holder.Identity, cfg} {
			if s := fmt.Sprintf(format, x); shows(s, private) || shows(s, psk) {
				t.Errorf("%s of %T shows a secret", format, x)
			}
		}
	}
}

// Keys are "never in logs, JSON, core files".
func TestSecretsStayOutOfJSON(t *testing.T) {
	private, psk := key(7), PresharedKey(key(8))
	for _, x := range []any{private, psk, NewIdentity(private)} {
		b, _ := json.Marshal(x)
		if shows(string(b), private) || shows(string(b), psk) {
			t.Errorf("JSON of %T shows a secret", x)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "k", x)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "k", x)
		if shows(log.String(), private) || shows(log.String(), psk) {
			t.Errorf("the log of %T shows a secret", x)
		}
	}
}
