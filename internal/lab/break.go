package lab

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
)

// An ailment is what is wrong with A's end of an uplink: how many faults of each kind
// are in force.
type ailment struct{ down, noAddress, noCarrier int }

// Break breaks A's uplink 0 or 1 (any, for AllDead) and returns what heals it. When heal
// returns, addresses and routes are as they were before; it does nothing the
// second time. Faults may overlap: what two of them broke works again when both
// are healed. After an error nothing stays broken.
func (l *Lab) Break(f Fault, uplink int) (heal func() error, err error) {
	if uplink < 0 || uplink >= uplinks {
		return nil, fmt.Errorf("lab: no uplink %d", uplink)
	}
	undo, err := l.inflict(f, uplink)
	if err != nil {
		if undo != nil {
			err = errors.Join(err, undo())
		}
		return nil, fmt.Errorf("lab: %v of uplink %d: %w", f, uplink, err)
	}
	return sync.OnceValue(undo), nil
}

// inflict breaks an uplink. The undo is there even after an error, unless
// nothing was done.
func (l *Lab) inflict(f Fault, uplink int) (undo func() error, err error) {
	link := l.Uplinks[uplink]
	switch f {
	case Blackhole:
		return blackhole(both, link)
	case BlackholeAtoB:
		return blackhole([]Direction{AtoB}, link)
	case BlackholeBtoA:
		return blackhole([]Direction{BtoA}, link)
	case AllDead:
		return blackhole(both, l.Uplinks[:]...)
	case LinkDown:
		return l.ail(uplink, func(a *ailment, by int) { a.down += by })
	case AddressRemoved:
		return l.ail(uplink, func(a *ailment, by int) { a.noAddress += by })
	case CarrierLost:
		return l.ail(uplink, func(a *ailment, by int) { a.noCarrier += by })
	}
	return nil, errors.New("unknown fault")
}

var both = []Direction{AtoB, BtoA}

func blackhole(ds []Direction, links ...*Link) (undo func() error, err error) {
	add := func(by int) error {
		var errs []error
		for _, link := range links {
			for _, d := range ds {
				errs = append(errs, link.change(d, func(s *settings) { s.holes += by }))
			}
		}
		return errors.Join(errs...)
	}
	if err := add(1); err != nil {
		return nil, err // only a closed link says no, and then both are
	}
	return func() error { return add(-1) }, nil
}

// ail makes one more fault of a kind count at A's end of an uplink.
func (l *Lab) ail(uplink int, count func(a *ailment, by int)) (undo func() error, err error) {
	change := func(by int) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			return ErrClosed
		}
		before := l.ailments[uplink]
		count(&l.ailments[uplink], by)
		return l.treat(uplink, before, l.ailments[uplink])
	}
	return func() error { return change(-1) }, change(1)
}

// treat brings A's end of an uplink from what before says to what now says. The
// caller holds l.mu.
func (l *Lab) treat(uplink int, before, now ailment) error {
	a, p := l.A, hostPort(l.A.name, uplink)
	if now.noAddress > 0 && before.noAddress == 0 {
		return a.removeAddresses(p)
	}
	if err := l.plug(uplink, before, now); err != nil {
		return err
	}
	if now.noAddress == 0 {
		if err := a.addAddresses(p); err != nil {
			return err
		}
	}
	if now != (ailment{}) {
		return nil // routes come back with the last fault healed
	}
	far := l.Uplinks[uplink].far.host
	return errors.Join(
		a.settleAddresses(p),
		a.addUplinkRoutes(uplink),
		far.settleAddresses(routerPort(a.name, uplink)),
		l.acquaint(a, uplink),
	)
}

// plug sets interface, carriers and what passes between them.
func (l *Lab) plug(uplink int, before, now ailment) error {
	link, name := l.Uplinks[uplink], l.A.Interface(uplink)
	device, err := l.A.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	switch {
	case now.down > 0 && before.down == 0:
		err = l.A.nl.LinkSetDown(device)
	case now.down == 0 && before.down > 0:
		err = l.A.nl.LinkSetUp(device)
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	whole, was := now.down+now.noCarrier == 0, before.down+before.noCarrier == 0
	if whole == was && (now.noCarrier == 0) == (before.noCarrier == 0) {
		return nil
	}
	return errors.Join(
		link.cut(now.noCarrier-before.noCarrier),
		link.setCarrier(now.noCarrier == 0, whole),
		l.settleUplink(uplink, now, device),
	)
}

// settleUplink waits until both ends are in use again, if they should be.
func (l *Lab) settleUplink(uplink int, now ailment, device netlink.Link) error {
	if now.down+now.noCarrier > 0 {
		return nil
	}
	name := device.Attrs().Name
	return errors.Join(l.A.settle(name), l.Uplinks[uplink].far.host.settle(name))
}
