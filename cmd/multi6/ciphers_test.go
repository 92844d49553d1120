package main

import (
	"testing"

	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/wire"
)

// TestCiphers has the configuration decide before the CPU does.
func TestCiphers(t *testing.T) {
	for configured, want := range map[wire.Ciphers]wire.Ciphers{
		0: ciphers(), wire.AES256GCM: wire.AES256GCM, wire.ChaCha20Poly1305: wire.ChaCha20Poly1305,
	} {
		if got := nodeConfig(&config.Config{Ciphers: configured}).Ciphers; got != want {
			t.Errorf("configured %v: %v, want %v", configured, got, want)
		}
	}
}
