package lab

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// filterTable is the name of the nftables table that holds the filter.
const filterTable = "lab_filter"

// FilterSources makes a router drop what comes in by an interface that it would not
// send answers by, as networks should at their edge (BCP 38, BCP 84 §2.3).
func (h *Host) FilterSources() error {
	return h.nft("filtering sources", func(c *nftables.Conn) {
		table := c.AddTable(&nftables.Table{Name: filterTable, Family: nftables.TableFamilyINet})
		chain := c.AddChain(&nftables.Chain{
			Name: "prerouting", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			// The interface by which the source is reached, if it is the one it came by.
			&expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, ResultOIF: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, 4)},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	})
}
