// Package node is the running node. It joins the core (shim, detect, locator,
// wire) to the edges (tun, underlay, netwatch) and owns all goroutines but the
// edges' own.
//
//	applications            network
//	     │ ▲                  │ ▲
//	     ▼ │                  ▼ │
//	  ┌─ tun ─┐           ┌ underlay ┐
//	  outbound ──seal──▶ send        │
//	  write ◀──open── inbound ◀──────┘     the packet path: reads snapshots
//	     │                │                (Path, routes, tags), leaves marks
//	     └── wakes ──┬────┘ control, Open
//	                 ▼
//	               loop ◀── facts (netwatch), calls (control socket), timer
//
// One goroutine, the loop, owns every Context. The packet path never waits for
// it: it sends with the last snapshot it was given, and what the loop has no room
// for is dropped and counted. On small machines one thread carries all packets
// (Edges.Together).
package node
