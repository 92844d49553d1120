package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// offloads are the features, by the kernel's names, with which an interface takes or
// hands over what is longer than its MTU, or takes what has no checksum yet.
var offloads = []string{
	"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation", // TSO
	"tx-udp-segmentation",     // USO
	"tx-generic-segmentation", // GSO
	"rx-gro",
	"tx-checksum-ip-generic",
}

// DisableOffloads turns TSO, USO, GSO, GRO and the checksums of sending off at one
// end of a link, for good. A veth pair has them all and passes a super-packet of
// 64 KiB as one: no Ethernet card between two hosts does that. Without them each packet
// of a stream is handled by itself, as between cards that can do nothing.
func (h *Host) DisableOffloads(name string) error {
	err := h.Do(func() error { return disableFeatures(name, offloads) })
	if err != nil {
		return fmt.Errorf("lab: %s: interface %s: turning offloads off: %w", h.name, name, err)
	}
	return nil
}

// disableFeatures is "ethtool --features NAME FEATURE off" for each feature, in the
// calling thread's namespace (ETHTOOL_MSG_FEATURES_SET; Linux 5.7).
func disableFeatures(name string, features []string) error {
	family, err := netlink.GenlFamilyGet(unix.ETHTOOL_GENL_NAME)
	if err != nil {
		return err
	}
	device := nl.NewRtAttr(unix.ETHTOOL_A_FEATURES_HEADER|unix.NLA_F_NESTED, nil)
	device.AddRtAttr(unix.ETHTOOL_A_HEADER_DEV_NAME, nl.ZeroTerminated(name))
	device.AddRtAttr(unix.ETHTOOL_A_HEADER_FLAGS, nl.Uint32Attr(unix.ETHTOOL_FLAG_OMIT_REPLY))
	wanted := nl.NewRtAttr(unix.ETHTOOL_A_FEATURES_WANTED|unix.NLA_F_NESTED, nil)
	bits := wanted.AddRtAttr(unix.ETHTOOL_A_BITSET_BITS|unix.NLA_F_NESTED, nil)
	for _, f := range features {
		// A bit that is named without ETHTOOL_A_BITSET_BIT_VALUE is to be cleared.
		bit := bits.AddRtAttr(unix.ETHTOOL_A_BITSET_BITS_BIT|unix.NLA_F_NESTED, nil)
		bit.AddRtAttr(unix.ETHTOOL_A_BITSET_BIT_NAME, nl.ZeroTerminated(f))
	}
	req := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: unix.ETHTOOL_MSG_FEATURES_SET, Version: unix.ETHTOOL_GENL_VERSION})
	req.AddData(device)
	req.AddData(wanted)
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}
