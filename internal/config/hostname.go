package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of the DNS, in bytes (RFC 1035 §2.3.4; 255 on the wire are 253 here).
const (
	maxHostName = 253
	maxLabel    = 63
)

// A Name is a DNS name of a peer, which has to be resolved before use.
type Name struct {
	// Host is in ASCII and small letters, at most 253 bytes and a final dot. A name
	// with a final dot is complete: no search domain is put behind it.
	Host string
	// Port is the UDP port.
	Port uint16
}

// String returns HOST:PORT.
func (n Name) String() string { return n.Host + ":" + strconv.Itoa(int(n.Port)) }

// same reports whether n and m lead to the same place. The final dot does not count.
func (n Name) same(m Name) bool {
	return n.Port == m.Port && strings.TrimSuffix(n.Host, ".") == strings.TrimSuffix(m.Host, ".")
}

// hostName returns s as it is asked for in the DNS: letters of other alphabets
// encoded (RFC 5891), the others made small. If s is no name of a host (RFC 1123
// §2.1), trouble says why and what to write.
func hostName(s string) (name, trouble string) {
	if s == "" {
		return "", "is no address and no name; write one such as " + examples
	}
	name = strings.ToLower(s)
	if strings.ContainsFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) {
		var err error
		if name, err = idna.Lookup.ToASCII(s); err != nil {
			return "", `has characters that a name cannot have; write one such as "b.example.net"`
		}
	}
	bare := strings.TrimSuffix(name, ".")
	labels := strings.Split(bare, ".")
	if isNumber(labels[len(labels)-1]) {
		return "", numberTrouble(labels)
	}
	if len(bare) > maxHostName {
		return "", fmt.Sprintf("is longer than the %d bytes that a name may have; write a shorter name or an address", maxHostName)
	}
	for _, l := range labels {
		if trouble := labelTrouble(l); trouble != "" {
			return "", trouble
		}
	}
	if bare == "localhost" || strings.HasSuffix(bare, ".localhost") {
		return "", "leads to this host; write a name or an address of the peer's"
	}
	return name, ""
}

// numberTrouble says what is wrong with what ends in a number. No top-level domain
// is one, so an address was meant (RFC 1123 §2.1).
func numberTrouble(labels []string) string {
	for _, l := range labels {
		if !isNumber(l) {
			return "is not an address, nor a name, which cannot end in a number; write one such as " + examples
		}
	}
	return `is not an address, which has four numbers from 0 to 255 without leading zeros; write one such as "192.0.2.1" or "192.0.2.1:6110"`
}

// labelTrouble says what is wrong with a part of a name, in small letters.
func labelTrouble(l string) string {
	const chars = "abcdefghijklmnopqrstuvwxyz0123456789-"
	const example = `; write a name such as "b.example.net"`
	odd := strings.IndexFunc(l, func(c rune) bool { return !strings.ContainsRune(chars, c) })
	switch {
	case l == "":
		return "has a dot without a part of the name before it" + example
	case odd >= 0:
		return fmt.Sprintf("is not an address, and names of hosts have no %s%s", quote(l[odd:odd+1]), example)
	case len(l) > maxLabel:
		return fmt.Sprintf("has a part of more than %d bytes%s", maxLabel, example)
	case l[0] == '-' || l[len(l)-1] == '-':
		return "has a part with a hyphen at its start or end" + example
	}
	return ""
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
