package netwatch

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNewsIn(t *testing.T) {
	message := func(kind uint16, data ...byte) syscall.NetlinkMessage {
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data}
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
		{"default route", []syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, unix.AF_INET, 0)}, everything},
		{"default route gone", []syscall.NetlinkMessage{message(unix.RTM_DELROUTE, unix.AF_INET6, 0)}, everything},
		{"other route", []syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, unix.AF_INET, 24)}, 0},
		{"short route", []syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, unix.AF_INET)}, 0},
		{"unknown", []syscall.NetlinkMessage{message(9999)}, everything},
		{"two", []syscall.NetlinkMessage{message(unix.RTM_NEWNEIGH, unix.AF_INET), message(unix.RTM_NEWADDR)}, everything},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newsIn(tt.msgs); got != tt.want {
				t.Errorf("got %b, want %b", got, tt.want)
			}
		})
	}
}
