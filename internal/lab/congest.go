package lab

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// congestTable is the name of the nftables table that marks packets.
const congestTable = "lab_congest"

// Congest makes a router say Congestion Experienced in each packet that it forwards and
// that may bear it, as one with active queue management does when its queue is long
// (RFC 3168 §5): both ECT codepoints become CE, Not-ECT stays.
func (h *Host) Congest() error {
	return h.nft("marking congestion", func(c *nftables.Conn) {
		table := c.AddTable(&nftables.Table{Name: congestTable, Family: nftables.TableFamilyINet})
		chain := c.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityMangle,
		})
		// ECN is in the first 16 bits of either header: the lower half of the traffic
		// class (IPv6) or of the type of service (IPv4).
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: sayCE(unix.NFPROTO_IPV6, 0x30, expr.Payload{})})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: sayCE(unix.NFPROTO_IPV4, 0x03, headerChecksum)})
	})
}

// headerChecksum has a payload expression keep IPv4's right.
var headerChecksum = expr.Payload{CsumType: expr.CsumTypeInet, CsumOffset: 10}

// sayCE sets the ECN bits of a packet of a family that has one of them. bits are those in
// the second byte of the header, write is how to write them.
func sayCE(family, bits byte, write expr.Payload) []expr.Any {
	first := expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Len: 2}
	write.OperationType, write.SourceRegister, write.Base, write.Len = expr.PayloadWrite, 1, first.Base, first.Len
	again := first
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&first,
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0, bits}, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0}},
		&again,
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0xff, ^bits}, Xor: []byte{0, bits}},
		&write,
	}
}
