package config

import (
	"slices"
	"strings"

	"github.com/multi6/multi6/wire"
)

// ciphers are the names of the ciphers in the file, the one that is taken where both
// ends have it first.
var ciphers = []struct {
	name   string
	cipher wire.Ciphers
}{
	{"aes-256-gcm", wire.AES256GCM},
	{"chacha20-poly1305", wire.ChaCha20Poly1305},
}

func cipherNames() (names []string) {
	for _, c := range ciphers {
		names = append(names, c.name)
	}
	return names
}

// ciphers reads which ciphers may be used; zero: the CPU decides.
func (v *validator) ciphers(l list) (set wire.Ciphers) {
	names := cipherNames()
	if l.empty {
		v.report(l.at, "ciphers is empty, so that no peer could be reached; write one or both of %s, or leave it out", strings.Join(names, ", "))
	}
	for _, t := range l.all {
		i := slices.Index(names, t.s)
		switch best := suggest(t.s, names); {
		case i < 0 && best != "":
			v.report(t.at, "unknown cipher %s; did you mean %q?", quote(t.s), best)
		case i < 0:
			v.report(t.at, "unknown cipher %s; write one or both of %s", quote(t.s), strings.Join(names, ", "))
		case set&ciphers[i].cipher != 0:
			v.report(t.at, "cipher %s is in the list already; take it out", quote(t.s))
		default:
			set |= ciphers[i].cipher
		}
	}
	return set
}
