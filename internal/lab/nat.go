package lab

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// natTable is the name of the nftables table that holds the translation.
const natTable = "lab_nat"

// NATOptions say how a router translates.
type NATOptions struct {
	// RandomPorts gives every new translation a port by chance, as routers of
	// carriers do. Else it is the sender's own while that is free.
	RandomPorts bool
}

// Masquerade makes a router put its own address, and a port of its choice, in the
// place of the source of all that leaves by an interface, in both families (NAPT,
// RFC 3022 §2.2). Called again it replaces what was; connections that the router
// knows keep their translation until they are forgotten.
func (h *Host) Masquerade(out string, o NATOptions) error {
	if len(out) >= unix.IFNAMSIZ {
		return fmt.Errorf("lab: masquerading by %s: the name is too long", out)
	}
	if err := h.Unmasquerade(); err != nil {
		return err
	}
	return h.nft("masquerading by "+out, func(c *nftables.Conn) {
		table := c.AddTable(&nftables.Table{Name: natTable, Family: nftables.TableFamilyINet})
		chain := c.AddChain(&nftables.Chain{
			Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
			Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(leavesBy(out), &expr.Masq{FullyRandom: o.RandomPorts})})
	})
}

// Unmasquerade ends Masquerade for connections that the router does not know.
func (h *Host) Unmasquerade() error {
	return h.nft("ending masquerading", func(c *nftables.Conn) {
		// Adding what may be there lets the deletion find it in any case.
		c.DelTable(c.AddTable(&nftables.Table{Name: natTable, Family: nftables.TableFamilyINet}))
	})
}

// ForgetConntrack makes a router forget all connections and translations, as one
// does that was restarted.
func (h *Host) ForgetConntrack() error {
	return h.use(func() (err error) {
		nl, err := netlink.NewHandleAt(h.ns, unix.NETLINK_NETFILTER)
		if err == nil {
			err = nl.ConntrackTableFlush(netlink.ConntrackTable)
			nl.Close()
		}
		if err != nil {
			return fmt.Errorf("lab: %s: forgetting connections: %w", h.name, err)
		}
		return nil
	})
}

// SetUDPTimeouts sets how long a router remembers UDP traffic after its last
// datagram, in whole seconds: while it has gone one way only, and once it has
// gone both.
func (h *Host) SetUDPTimeouts(oneWay, bothWays time.Duration) error {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	return errors.Join(
		h.SetSysctl("netfilter/nf_conntrack_udp_timeout", seconds(oneWay)),
		h.SetSysctl("netfilter/nf_conntrack_udp_timeout_stream", seconds(bothWays)),
	)
}

// nft hands the host's kernel what edit asks for, all or nothing.
func (h *Host) nft(what string, edit func(*nftables.Conn)) error {
	return h.use(func() error {
		c, err := nftables.New(nftables.WithNetNSFd(int(h.ns)))
		if err == nil {
			edit(c)
			err = c.Flush()
		}
		if err != nil {
			return fmt.Errorf("lab: %s: %s: %w", h.name, what, err)
		}
		return nil
	})
}

// leavesBy matches packets that leave by an interface.
func leavesBy(name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}
