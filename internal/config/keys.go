package config

import (
	"crypto/ecdh"
	"path/filepath"

	"github.com/multi6/multi6/shim"
)

// privateKey reads the file with our own key.
func (v *validator) privateKey(t text) shim.PrivateKey {
	const key = "private_key_file"
	if !t.seen {
		v.missing(start, key, "", `"shim0.key"`)
	}
	return readNamed(v, t, key, shim.ParsePrivateKey)
}

// readNamed reads the key file that t, the value of the entry called key, names.
// It returns the zero key if there is none or it is not usable.
func readNamed[K any](v *validator, t text, key string, parse func(string) (K, error)) (k K) {
	if !t.ok {
		return k
	}
	if t.s == "" {
		v.report(t.at, "%s is empty; write the name of a file", key)
		return k
	}
	// Do not repeat a secret in a message about a file that does not exist.
	if _, err := parse(t.s); err == nil {
		v.report(t.at, "%s holds a key; put the key into a file of mode 0600 and write the file's name", key)
		return k
	}
	file := t.s
	if !filepath.IsAbs(file) {
		file = filepath.Join(v.dir, file)
	}
	k, err := readKey(file, v.read, parse)
	if err != nil {
		v.report(t.at, "%s: %v", key, err)
		var none K
		return none
	}
	return k
}

// publicKey checks a peer's public key. Messages do not repeat it: it may be a
// private one.
func (v *validator) publicKey(p rawPeer, own shim.PrivateKey) shim.PublicKey {
	t := p.publicKey
	if !t.seen {
		v.missing(p.at, "public_key", " in [[peer]]", `"…", as 'multi6 pubkey' prints it on the peer`)
	}
	if !t.ok {
		return shim.PublicKey{}
	}
	k, err := shim.ParsePublicKey(t.s)
	switch {
	case err != nil:
		v.report(t.at, "public_key is not a key (%v); write the 44 characters that 'multi6 pubkey' prints on the peer", err)
		return shim.PublicKey{}
	case own == shim.PrivateKey{}:
		// Nothing to compare with.
	case k == shim.PublicKey(own):
		v.report(t.at, "public_key is our own private key; take it out, and write what 'multi6 pubkey' prints on the peer")
		return shim.PublicKey{}
	case k == own.Public():
		v.report(t.at, "public_key is our own; write what 'multi6 pubkey' prints on the peer")
		return shim.PublicKey{}
	}
	if !contributes(k) {
		v.report(t.at, "public_key is no point that X25519 can use; write what 'multi6 pubkey' prints on the peer")
		return shim.PublicKey{}
	}
	return k
}

// contributes reports whether a key exchange with k makes a secret. With a point
// of low order the result is zero whatever the private key (RFC 7748 §6.1).
func contributes(k shim.PublicKey) bool {
	public, err := ecdh.X25519().NewPublicKey(k[:])
	if err != nil {
		return false
	}
	any, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		return false
	}
	_, err = any.ECDH(public)
	return err == nil
}

// presharedKey reads the file with the key shared with one peer.
func (v *validator) presharedKey(t text, own shim.PrivateKey) shim.PresharedKey {
	k := readNamed(v, t, "preshared_key_file", shim.ParsePresharedKey)
	if k != (shim.PresharedKey{}) && k == shim.PresharedKey(own) {
		v.report(t.at, "preshared_key_file holds our private key, which the peer must not have; make another key with 'multi6 genkey'")
	}
	return k
}
