package rig

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/multi6/multi6/internal/config"
	"github.com/multi6/multi6/wire"
)

// TestConfigure reads what daemons are told as they read it.
func TestConfigure(t *testing.T) {
	peer := netip.MustParseAddr("2001:db8::2")
	tests := []struct {
		name string
		s    Settings
		want config.Config
		at   string
	}{
		{"nothing", Settings{}, config.Config{Interface: "shim0", Port: 6110, Profile: config.Balanced}, "[2001:db8::2]:6110"},
		{"all", Settings{Profile: "fast", Port: 7000, Interface: "shim1", Ciphers: []string{"aes-256-gcm", "chacha20-poly1305"}},
			config.Config{Interface: "shim1", Port: 7000, Profile: config.Fast, Ciphers: wire.AES256GCM | wire.ChaCha20Poly1305}, "[2001:db8::2]:7000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := NewDuoAt([...]Place{{}, {Locators: []netip.Addr{peer}}}, NewClock(), t.TempDir())
			a, b := u.Daemons[0], u.Daemons[1]
			if err := a.configure(tt.s, b); err != nil {
				t.Fatal(err)
			}
			got, err := config.Load(a.file(".toml"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Interface != tt.want.Interface || got.Port != tt.want.Port || got.Profile != tt.want.Profile || got.Ciphers != tt.want.Ciphers {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if got.Identifier() != a.Identifier() || got.Peers[0].PublicKey.Identifier() != b.Identifier() {
				t.Error("keys are mixed up")
			}
			if want := []netip.AddrPort{netip.MustParseAddrPort(tt.at)}; !slices.Equal(got.Peers[0].Locators, want) {
				t.Errorf("locators of the peer %v, want %v", got.Peers[0].Locators, want)
			}
		})
	}
}
