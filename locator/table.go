package locator

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Table holds Figure 1 for each local address. It compares whole states:
// every Update tells it everything the host has. Owned by one goroutine.
type Table struct {
	policy  Policy
	drained []string
	entries map[netip.Addr]Entry
}

// An Entry is one local address as the Table sees it.
type Entry struct {
	Fact  Fact
	State State
	// Reason says why State is not Operational; "" if it is.
	Reason string
	// Drained says that the operator wants Fact's interface empty; see SetDrained.
	Drained bool
}

// A Change is one address that went from one state to another. Zero states
// stand for addresses that are unknown or may not be used. An address that
// becomes operational at once is one Change, from zero to Operational.
//
// Draft §5.1: To Operational SHOULD be reported to the peer by Add, From
// Operational by Delete.
type Change struct {
	Addr     netip.Addr
	From, To State
	// Fact is the newest one known of Addr; if Addr is gone, the last one.
	Fact Fact
	// Reason says why To is not Operational; "" if it is.
	Reason string
}

// gone is the Reason for an address that is no longer on any interface.
const gone = "address removed"

// NewTable returns an empty table under p.
func NewTable(p Policy) *Table { return &Table{policy: p} }

// SetPolicy replaces the policy. It takes effect with the next Update.
func (t *Table) SetPolicy(p Policy) { t.policy = p }

// SetDrained replaces the names of the interfaces that the operator wants empty, for
// instance before a cable is pulled. Their locators stay what they are in Figure 1,
// and work, but Operational calls them deprecated, so that both ends move off them
// while they still can (make before break). It takes effect at once; no state
// changes, so there is no Change.
func (t *Table) SetDrained(names ...string) { t.drained = slices.Clone(names) }

func (t *Table) isDrained(f Fact) bool { return slices.Contains(t.drained, f.Name) }

// Update replaces all that is known by facts, in any order, and returns what
// changed, ordered by address. The slice facts is not kept.
func (t *Table) Update(facts []Fact) []Change {
	next := make(map[netip.Addr]Entry, len(facts))
	var changes []Change
	note := func(from State, to Entry) {
		if from != to.State {
			changes = append(changes, Change{to.Fact.Addr, from, to.State, to.Fact, to.Reason})
		}
	}
	for _, v := range judge(facts, t.policy) {
		from := t.entries[v.fact.Addr].State
		e := Entry{Fact: v.fact, State: from.settle(v.available, v.operational), Reason: v.reason}
		next[v.fact.Addr] = e
		note(from, e)
	}
	for addr, old := range t.entries {
		if _, ok := next[addr]; !ok {
			note(old.State, Entry{Fact: old.Fact, State: old.State.settle(false, false), Reason: gone})
		}
	}
	t.entries = next
	slices.SortFunc(changes, func(a, b Change) int { return a.Addr.Compare(b.Addr) })
	return changes
}

// Entries returns all addresses of the last Update, also those that may not be
// used, ordered by address.
func (t *Table) Entries() []Entry {
	list := make([]Entry, 0, len(t.entries))
	for _, e := range t.entries {
		e.Drained = t.isDrained(e.Fact)
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return a.Fact.Addr.Compare(b.Fact.Addr) })
	return list
}

// Operational returns the addresses that are operational, ordered by address.
func (t *Table) Operational() []Local {
	var locals []Local
	for _, e := range t.Entries() {
		if e.State == Operational {
			rule := t.policy.Rule(e.Fact)
			locals = append(locals, Local{
				Addr:       e.Fact.Addr,
				Interface:  e.Fact.Interface,
				Bits:       e.Fact.Bits,
				Temporary:  e.Fact.Temporary,
				Tunnel:     e.Fact.Tunnel,
				Preference: rule.Preference,
				Metered:    rule.Metered,
				Deprecated: e.Fact.last() || e.Drained,
				MTU:        e.Fact.MTU,
			})
		}
	}
	return locals
}

// State returns the state of addr, zero if it is unknown or may not be used.
func (t *Table) State(addr netip.Addr) State { return t.entries[addr].State }

// Interface returns the index of the interface that has addr, zero if none has.
func (t *Table) Interface(addr netip.Addr) uint32 { return t.entries[addr].Fact.Interface }

// Entry returns what is known of addr, the zero Entry for nothing.
func (t *Table) Entry(addr netip.Addr) Entry { return t.entries[addr] }

// InterfaceNames returns the names of all interfaces that have addresses which are
// available, in order.
func (t *Table) InterfaceNames() []string {
	var names []string
	for _, e := range t.entries {
		if e.State != none {
			names = append(names, e.Fact.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A verdict is what one Fact means under a policy.
type verdict struct {
	fact                   Fact
	available, operational bool
	reason                 string
}

// judge returns one verdict per address, in no order that means anything. It
// depends on the set of facts only, not on their order.
func judge(facts []Fact, p Policy) []verdict {
	all := make([]verdict, 0, len(facts))
	for _, f := range facts {
		v := verdict{fact: f}
		if v.reason, v.available = available(f, p); v.available {
			v.reason, v.operational = operational(f)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, better)

	// An address may be on two interfaces: the better one counts.
	seen := make(map[netip.Addr]bool, len(all))
	all = slices.DeleteFunc(all, func(v verdict) bool {
		again := seen[v.fact.Addr]
		seen[v.fact.Addr] = true
		return again
	})
	keepOneLinkLocal(all)
	return all
}

// keepOneLinkLocal makes all but the first available link-local address
// unavailable. Draft §3.1: at most one link-local address is used per node, or
// the peer could not tell on which link one is meant.
func keepOneLinkLocal(sorted []verdict) {
	taken := false
	for i, v := range sorted {
		if !v.available || !v.fact.Addr.IsLinkLocalUnicast() {
			continue
		}
		if taken {
			sorted[i] = verdict{fact: v.fact, reason: "another link-local address is used"}
		}
		taken = true
	}
}

// better orders operational before available before others, and then by
// interface index, so that the choice is the same on every dump.
func better(a, b verdict) int {
	return cmp.Or(
		falseFirst(!a.operational, !b.operational),
		falseFirst(!a.available, !b.available),
		cmp.Compare(a.fact.Interface, b.fact.Interface),
		a.fact.Addr.Compare(b.fact.Addr),
	)
}

// falseFirst orders false before true.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
