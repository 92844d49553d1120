package alarms

import (
	"fmt"
	"strings"
	"time"

	"github.com/multi6/multi6/detect"
)

// A Setting is what a world is like.
type Setting struct {
	// Profile names the Timers.
	Profile string
	Timers  detect.Timers
	Traffic Traffic
	// RTT is the round-trip time without jitter. Jitter is explained at Shape.
	RTT, Jitter time.Duration
	Shape       Shape
	// Loss is the share of datagrams lost in each direction, from 0 to 1; Bursts says that
	// they are lost in bursts (Gilbert and Elliott) and not each by itself.
	Loss   float64
	Bursts bool
	// Busy says that the ends have to wait for a processor.
	Busy bool
}

// profiles are the profiles of package detect by name, from quick to slow.
var profiles = []struct {
	name   string
	timers detect.Timers
}{{"fast", detect.Fast}, {"balanced", detect.Balanced}, {"gentle", detect.Gentle}, {"reap", detect.REAP}}

// Profiles returns the names of the profiles, from quick to slow.
func Profiles() (names []string) {
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// Timers returns the timers of the profile of that name.
func Timers(name string) (detect.Timers, error) {
	for _, p := range profiles {
		if p.name == name {
			return p.timers, nil
		}
	}
	return detect.Timers{}, fmt.Errorf("unknown profile %q; one of %v", name, Profiles())
}

// marginProfile is what Profile is where only the margin differs from balanced.
const marginProfile = "margin"

// WithMargin returns s with the balanced profile but for the margin.
func (s Setting) WithMargin(margin time.Duration) Setting {
	s.Profile, s.Timers = marginProfile, detect.Balanced
	s.Timers.Margin, s.Timers.Floor = margin, min(s.Timers.Floor, margin)
	return s
}

// condition says in words what s is like, but for the timers.
func (s Setting) condition() string {
	parts := []string{string(s.Traffic), fmt.Sprintf("RTT %v", s.RTT)}
	if s.Jitter > 0 {
		parts = append(parts, fmt.Sprintf("jitter %v %s", s.Jitter, s.Shape))
	}
	loss := fmt.Sprintf("loss %.4g %%", 100*s.Loss)
	if s.Bursts && s.Loss > 0 {
		loss += " in bursts"
	}
	parts = append(parts, loss)
	if s.Busy {
		parts = append(parts, "busy")
	}
	return strings.Join(parts, ", ")
}
