// Package tun is the edge to the applications: a TUN device that yields the
// inner packets they send and takes those that came for them.
//
// Device is what the node uses. Kernel is the real one (Linux, with its offloads
// as wireguard/tun drives them), configured with addresses and routes that go
// away with it. Memory is its twin for tests.
package tun
