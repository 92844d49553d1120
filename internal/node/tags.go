package node

import (
	"sync/atomic"

	"github.com/multi6/multi6/wire"
)

// tags find what a tag selects: a hash table with open addressing. Tags are drawn by
// chance, by us, so they are their own hash. The loop alone changes it; anybody may look
// meanwhile, and takes no lock.
type tags struct {
	table atomic.Pointer[[]atomic.Pointer[target]]
	// live counts the targets, used the slots that are not free, left ones included.
	live, used int
}

// leastTags is the least size of the table, a power of two as all are.
const leastTags = 64

// left takes the place of a target that was removed: what lies beyond must be found.
var left = new(target)

// find returns what tag selects, nil for nothing.
func (t *tags) find(tag wire.Tag) *target {
	_, x := t.slot(tag)
	return x
}

// slot returns the slot of a tag that is there and what it held, else nil. The loop may
// empty it the next moment.
func (t *tags) slot(tag wire.Tag) (*atomic.Pointer[target], *target) {
	p := t.table.Load()
	if p == nil {
		return nil, nil
	}
	table := *p
	for i := int(tag); ; i++ {
		slot := &table[i&(len(table)-1)]
		switch x := slot.Load(); {
		case x == nil:
			return nil, nil
		case x != left && x.tag == tag:
			return slot, x
		}
	}
}

// set has x.tag select x.
func (t *tags) set(x *target) {
	if slot, _ := t.slot(x.tag); slot != nil {
		slot.Store(x)
		return
	}
	if p := t.table.Load(); p == nil || 2*(t.used+1) > len(*p) {
		t.renew()
	}
	t.put(*t.table.Load(), x)
	t.live++
	t.used++
}

// put puts x in a free slot.
func (t *tags) put(table []atomic.Pointer[target], x *target) {
	i := int(x.tag)
	for table[i&(len(table)-1)].Load() != nil {
		i++
	}
	table[i&(len(table)-1)].Store(x)
}

// remove has tag select nothing.
func (t *tags) remove(tag wire.Tag) {
	if slot, _ := t.slot(tag); slot != nil {
		slot.Store(left)
		t.live--
	}
}

// renew makes a table of which a third is in use, or less.
func (t *tags) renew() {
	size := leastTags
	for size < 3*(t.live+1) {
		size *= 2
	}
	table := make([]atomic.Pointer[target], size)
	if p := t.table.Load(); p != nil {
		for i := range *p {
			if x := (*p)[i].Load(); x != nil && x != left {
				t.put(table, x)
			}
		}
	}
	t.used = t.live
	t.table.Store(&table)
}
