package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Our own choices.
const (
	// lookupTimeout bounds a lookup with all its queries.
	lookupTimeout = 5 * time.Second
	// queryTimeout bounds one query. The 5 s of resolv.conf(5) would leave no time
	// for a second server.
	queryTimeout = 1500 * time.Millisecond

	// defaultTTL is that of addresses without a reply: from the hosts file.
	defaultTTL = 5 * time.Minute
	// minTTL and maxTTL bound what replies ask for: a peer's address should not be
	// asked for all the time, nor believed for days.
	minTTL = 30 * time.Second
	maxTTL = time.Hour

	// defaultRetry is when to try again after a failure that does not say so.
	defaultRetry = 10 * time.Second
	minRetry     = 5 * time.Second
	maxRetry     = 5 * time.Minute
)

// An Answer is what came of one lookup.
type Answer struct {
	// Host is the name as it was asked for.
	Host string
	// Addrs are sorted and unique, without zones, and IPv4 is not mapped. They
	// are to be read only. None if Err is not nil.
	Addrs []netip.Addr
	// TTL is for how long the answer holds, or after a failure, when to try
	// again.
	TTL time.Duration
	// Err says why there are no addresses.
	Err error
}

// Options adjust a Resolver. The zero Options are good.
type Options struct {
	// Server is asked instead of the servers of resolv.conf, if it is valid.
	Server netip.AddrPort
}

// A Resolver looks up names. It may be used by several goroutines at a time.
type Resolver struct{ server netip.AddrPort }

// New returns a Resolver.
func New(o Options) *Resolver { return &Resolver{o.Server} }

// Lookup asks for the IPv6 and IPv4 addresses of host, for 5 s at most. A name
// without a final dot may get a search domain, as resolv.conf(5) has it. Where ctx
// ends first, Err is that of ctx.
func (r *Resolver) Lookup(ctx context.Context, host string) Answer {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	l := newLedger()
	resolver := net.Resolver{PreferGo: true, Dial: func(dialing context.Context, network, address string) (net.Conn, error) {
		if r.server.IsValid() {
			address = r.server.String()
		}
		d := net.Dialer{Timeout: queryTimeout}
		conn, err := d.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		return tap(limited, conn, l), nil
	}}
	addrs, err := resolver.LookupNetIP(limited, "ip", host)
	switch {
	case err == nil:
		return Answer{Host: host, Addrs: tidy(addrs), TTL: l.found()}
	case ctx.Err() != nil:
		err = fmt.Errorf("resolve: %s: %w", host, ctx.Err())
	case limited.Err() != nil:
		err = fmt.Errorf("resolve: %s: no answer within %s; check the servers in resolv.conf: %w", host, lookupTimeout, limited.Err())
	default:
		err = fmt.Errorf("resolve: %w", err)
	}
	return Answer{Host: host, TTL: retryAfter(err, l), Err: err}
}

// retryAfter returns when to ask again for a name that was not found, or that
// could not be asked for.
func retryAfter(err error, l *ledger) time.Duration {
	var de *net.DNSError
	if errors.As(err, &de) && de.IsNotFound {
		return l.missing()
	}
	return defaultRetry
}

// tidy returns addrs as an Answer has them.
func tidy(addrs []netip.Addr) []netip.Addr {
	all := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		all[i] = a.Unmap().WithZone("")
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
