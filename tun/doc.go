// Package tun is the edge to the applications: a TUN device that yields the
// inner packets they send and takes those that came for them, singly or as
// super-packets.
//
// Device is what the node uses. Kernel is the real one (Linux), configured with
// addresses and routes that go away with it. Before each packet it exchanges a virtio-net
// header with the kernel (see virtio.go), which leaves checksums to be completed and
// segments to be cut to whoever can do it best, or not at all. Memory is its twin for
// tests.
package tun
