package lab

import "errors"

// SpaceOptions say what a host of a free topology is.
type SpaceOptions struct {
	// Router makes it forward packets, in both families.
	Router bool
	// Congestion is TCP's congestion control, as in [Config].
	Congestion string
}

// NewSpace makes a host without links, for topologies other than that of [Lab].
// Like a Lab's hosts it has no other addresses and routes than it is given, and
// knows no duplicate address detection; unlike them it keeps an IPv4 address when
// an older one of the same prefix goes, as systemd sets it. It needs root: otherwise the error wraps
// [os.ErrPermission]. The caller closes it, after its links.
func NewSpace(name string, o SpaceOptions) (*Host, error) {
	settings := commonSysctls()
	if o.Router {
		settings = routerSysctls()
	}
	for _, scope := range []string{"all", "default"} {
		settings = append(settings, sysctl{"ipv4/conf/" + scope + "/promote_secondaries", "1"})
	}
	h, err := newHost(name, settings)
	if err != nil {
		return nil, err
	}
	h.free = true
	if err := h.useCongestion(o.Congestion); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close takes the host down with all its interfaces, and kills the processes in
// it. It waits for calls of [Host.Do] under way, and does nothing the second
// time.
func (h *Host) Close() error { return h.close() }

// SetSysctl writes value to a path below /proc/sys/net, as the host sees it.
func (h *Host) SetSysctl(path, value string) error {
	return h.Do(func() error { return writeSysctls([]sysctl{{path, value}}) })
}
