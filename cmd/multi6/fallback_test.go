package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const programOnOldKernel = "multi6-on-old-kernel"

// onOldKernel is multi6 on a kernel without offloads of TUN devices and UDP sockets: it
// refuses what asks for them (seccomp(2)).
func onOldKernel() {
	runtime.LockOSThread() // whose filter the program that it becomes inherits
	refuse := func(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }
	const number, argument1, argument2 = 0, 16 + 8, 16 + 2*8 // in struct seccomp_data, little-endian
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	end := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	filter := []unix.SockFilter{
		load(number),
		equal(unix.SYS_IOCTL, 0, 3),
		load(argument1),
		equal(unix.TUNSETOFFLOAD, 0, 7),
		end(refuse(unix.EINVAL)),
		equal(unix.SYS_GETSOCKOPT, 1, 0),
		equal(unix.SYS_SETSOCKOPT, 0, 4),
		load(argument1),
		equal(unix.IPPROTO_UDP, 0, 2),
		load(argument2),
		equal(unix.UDP_SEGMENT, 2, 0),
		equal(unix.UDP_GRO, 1, 0),
		end(unix.SECCOMP_RET_ALLOW),
		end(refuse(unix.ENOPROTOOPT)),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	if err == nil {
		err = syscall.Exec("/proc/self/exe", append([]string{"multi6"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "pretending that the kernel is old:", err)
	os.Exit(exitRuntime)
}

// TestOldKernel has a daemon whose kernel has no offloads talk to one whose kernel has:
// everything works, and the lack is said once, and shown.
func TestOldKernel(t *testing.T) {
	l := newLab(t)
	a, b := newSite(t, l.A), newSite(t, l.B)
	a.configure(t, "a.toml", "", b)
	b.configure(t, "b.toml", "", a)
	old := a.upAs(t, programOnOldKernel, "a.toml")
	b.up(t, "b.toml")
	echoUDP(t, a, b)
	sendTCP(t, a, b)
	sendTCP(t, b, a)
	for s, want := range map[*site]string{
		a: "offloads    tun none; udp none\n  missing     tun checksum, tso4, tso6, uso; udp gso, gro\n",
		b: "offloads    tun checksum tso4 tso6 uso; udp gso gro\n\n",
	} {
		st, err := s.status()
		must(t, err)
		if text := statusText(st); !strings.Contains(text, want) {
			t.Errorf("%s has the status\n%s\nwant in it\n%s", s.host.Name(), text, want)
		}
	}
	for _, o := range []string{"tun checksum", "tun tso4", "tun tso6", "tun uso", "udp gso", "udp gro"} {
		line := fmt.Sprintf("level=WARN msg=\"offload missing\" offload=%q means=", o)
		if n := strings.Count(old.stderr.String(), line); n != 1 {
			t.Errorf("%d lines of %s, want 1", n, o)
		}
	}
}
