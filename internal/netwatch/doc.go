// Package netwatch is the netlink edge: it tells what addresses this host has
// and in what condition they, their interfaces and their default routers are,
// as whole snapshots of locator.Fact. What follows from them is for package
// locator to say. And it tells whether there is a route from such an address to
// a peer's.
//
//	kernel ──multicast──▶ listen ──rung──▶ watch ──latest only──▶ Facts
//	  ▲                     │               │  ▲
//	  │                     │          dump └──┘ pure: gatewaysOf, failures, facts
//	  │                     └───toPace──▶ pace ──at most every 50 ms──▶ RouteNews
//	  └──question── Routable, answers kept until listen or pace forgets them
//
// The messages of the kernel serve only as a bell: whatever they say, watch
// reads the tables again and compares whole states, so that lost, merged or
// reordered messages cannot lead it astray. listen rings without ever waiting
// for watch, and watch delivers without waiting for the consumer. Routes other
// than default routes are never read: a router may have a million. The kernel is
// asked for the few that are wanted.
//
// All sockets are opened in New, in the network namespace of the calling
// thread, and stay there whatever thread Run runs on.
package netwatch
