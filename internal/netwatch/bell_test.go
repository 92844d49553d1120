package netwatch

import (
	"encoding/binary"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNewsIn(t *testing.T) {
	message := func(kind uint16, data ...byte) syscall.NetlinkMessage {
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data}
	}
	// route returns a struct rtmsg of IPv4.
	route := func(kind uint16, bits, table byte, flags uint32) syscall.NetlinkMessage {
		data := []byte{unix.AF_INET, bits, 0, 0, table, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST}
		return message(kind, binary.NativeEndian.AppendUint32(data, flags)...)
	}
	const (
		routers = neighbourNews | routerNews | routingNews
		main    = unix.RT_TABLE_MAIN
		own     = 106
	)
	ours := func(m syscall.NetlinkMessage) syscall.NetlinkMessage {
		m.Data[5] = own
		return m
	}
	tests := []struct {
		name string
		msgs []syscall.NetlinkMessage
		want news
	}{
		{"nothing", nil, 0},
		{"link", []syscall.NetlinkMessage{message(unix.RTM_NEWLINK)}, everything},
		{"link gone", []syscall.NetlinkMessage{message(unix.RTM_DELLINK)}, everything},
		{"address", []syscall.NetlinkMessage{message(unix.RTM_NEWADDR)}, everything},
		{"address gone", []syscall.NetlinkMessage{message(unix.RTM_DELADDR)}, everything},
		{"neighbour", []syscall.NetlinkMessage{message(unix.RTM_NEWNEIGH, unix.AF_INET)}, neighbourNews},
		{"neighbour gone", []syscall.NetlinkMessage{message(unix.RTM_DELNEIGH, unix.AF_INET6)}, neighbourNews},
		{"bridge entry", []syscall.NetlinkMessage{message(unix.RTM_NEWNEIGH, unix.AF_BRIDGE)}, 0},
		{"short neighbour", []syscall.NetlinkMessage{message(unix.RTM_NEWNEIGH)}, 0},
		{"default route", []syscall.NetlinkMessage{route(unix.RTM_NEWROUTE, 0, main, 0)}, routers},
		{"default route gone", []syscall.NetlinkMessage{route(unix.RTM_DELROUTE, 0, 100, 0)}, routers},
		{"other route", []syscall.NetlinkMessage{route(unix.RTM_NEWROUTE, 24, main, 0)}, routingNews},
		{"other route gone", []syscall.NetlinkMessage{route(unix.RTM_DELROUTE, 24, 100, unix.RTM_F_OFFLOAD)}, routingNews},
		{"local route", []syscall.NetlinkMessage{route(unix.RTM_NEWROUTE, 32, unix.RT_TABLE_LOCAL, 0)}, 0},
		{"exception", []syscall.NetlinkMessage{route(unix.RTM_NEWROUTE, 32, main, unix.RTM_F_CLONED)}, 0},
		{"our route", []syscall.NetlinkMessage{ours(route(unix.RTM_NEWROUTE, 24, main, 0))}, 0},
		{"our default route gone", []syscall.NetlinkMessage{ours(route(unix.RTM_DELROUTE, 0, main, 0))}, 0},
		{"short route", []syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, make([]byte, 11)...)}, 0},
		{"rule", []syscall.NetlinkMessage{message(unix.RTM_NEWRULE)}, routingNews},
		{"rule gone", []syscall.NetlinkMessage{message(unix.RTM_DELRULE)}, routingNews},
		{"next hop", []syscall.NetlinkMessage{message(unix.RTM_NEWNEXTHOP)}, everything},
		{"unknown", []syscall.NetlinkMessage{message(9999)}, everything},
		{"two", []syscall.NetlinkMessage{message(unix.RTM_NEWNEIGH, unix.AF_INET), message(unix.RTM_NEWADDR)}, everything},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newsIn(tt.msgs, own); got != tt.want {
				t.Errorf("got %b, want %b", got, tt.want)
			}
		})
	}
}
