package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// core are the packages without I/O, and what each may import besides the
// standard library.
var core = map[string][]string{
	"gcm":     {"github.com/klauspost/cpuid/v2"},
	"wire":    nil,
	"inner":   nil,
	"locator": nil,
	"detect":  {"./locator"},
	"shim": {
		"./gcm", "./wire", "./inner", "./locator", "./detect",
		"github.com/flynn/noise", "golang.org/x/crypto/...", "golang.zx2c4.com/wireguard/replay",
	},
}

// A rule forbids imports to some files.
type rule struct {
	// of says whose imports the rule is about.
	of func(source) bool
	// forbids says whether s may not import imp.
	forbids func(s source, imp string) bool
	// reason ends the sentence "x may not import y, since".
	reason string
}

var rules = []rule{
	{
		of: isCore,
		forbids: func(_ source, imp string) bool {
			return imp != "net/netip" && under(imp, "net", "os", "syscall", "io/fs", "golang.org/x/sys", "golang.org/x/net")
		},
		reason: "the core does no I/O: it takes (now, event) and returns actions, and an edge performs them",
	},
	{
		of:      isCore,
		forbids: func(_ source, imp string) bool { return imp == "sync" || under(imp, "context", "golang.org/x/sync") },
		reason:  "the core has no locks and no goroutines: the node's loop owns it (sync/atomic, for marks and snapshots, is fine)",
	},
	{
		of:      isCore,
		forbids: func(_ source, imp string) bool { return under(imp, "log") },
		reason:  "the core logs nothing: it returns events, and the node logs them once",
	},
	{
		of:      isCore,
		forbids: func(_ source, imp string) bool { return under(imp, "math/rand", "crypto/rand") },
		reason:  "the core draws no random numbers: the source is handed in, so that a test can repeat a run",
	},
	{
		of:      isCore,
		forbids: func(_ source, imp string) bool { return under(imp, "./internal", "./tun") },
		reason:  "the core knows no edge: imports run from the edges to it",
	},
	{
		of: isCore,
		forbids: func(s source, imp string) bool {
			return !standard(imp) && !slices.ContainsFunc(core[s.pkg], func(p string) bool { return matches(p, imp) })
		},
		reason: "imports run one way, shim to detect to locator and shim to wire, inner and gcm, and other modules stay out of the core (see the list core in rules_test.go)",
	},
	{
		of: inPackage("tun", "internal/underlay", "internal/netwatch", "internal/config", "internal/resolve"),
		forbids: func(_ source, imp string) bool {
			return under(imp, "./internal/node", "./internal/sim", "./internal/lab", "./internal/demo")
		},
		reason: "an edge serves the node and knows nothing of it, so that each can be tested alone",
	},
	{
		of:      func(s source) bool { return !s.test },
		forbids: func(_ source, imp string) bool { return under(imp, "./cmd") },
		reason:  "commands are the outermost layer: what others need belongs in a package of its own",
	},
	{
		of:      func(s source) bool { return !s.test && s.pkg != "wire/layers" },
		forbids: func(_ source, imp string) bool { return under(imp, "github.com/google/gopacket") },
		reason:  "gopacket allocates for every packet: it is for captures and tests, never on the packet path",
	},
	{
		of: func(s source) bool { return !s.test && s.pkg != "internal/testkit" },
		forbids: func(_ source, imp string) bool {
			return under(imp, "./internal/testkit", "testing", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal")
		},
		reason: "what is for tests does not belong in the program",
	},
}

// clocks are the functions of package time that read the clock or wait for it.
var clocks = []string{
	"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Sleep", "time.Tick",
	"time.NewTimer", "time.NewTicker",
}

func isCore(s source) bool {
	_, ok := core[s.pkg]
	return ok && !s.test
}

func inPackage(pkgs ...string) func(source) bool {
	return func(s source) bool { return !s.test && slices.Contains(pkgs, s.pkg) }
}

// under reports whether imp is one of roots or below one.
func under(imp string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return imp == r || strings.HasPrefix(imp, r+"/") })
}

// matches reports whether imp is pattern, or below what stands before "/...".
func matches(pattern, imp string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return under(imp, root)
	}
	return pattern == imp
}

// standard reports whether imp is of the standard library: the first element of
// other modules' paths is a host name.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// violations returns one sentence for each import and call that breaks a rule.
func violations(sources []source) []string {
	var found []string
	for _, s := range sources {
		for _, r := range rules {
			if !r.of(s) {
				continue
			}
			for _, imp := range s.imports {
				if r.forbids(s, imp) {
					found = append(found, fmt.Sprintf("%s may not import %s, since %s", path.Join(s.pkg, s.name), plain(imp), r.reason))
				}
			}
		}
		if !isCore(s) {
			continue
		}
		for _, call := range s.calls {
			if slices.Contains(clocks, call) {
				found = append(found, fmt.Sprintf("%s may not use %s, since the core reads no clock: time is handed in",
					path.Join(s.pkg, s.name), call))
			}
		}
	}
	return found
}

// plain returns imp as it is written in a file.
func plain(imp string) string {
	if pkg, ok := own(imp); ok {
		return module + "/" + pkg
	}
	return imp
}

// TestArchitecture holds the whole module against the rules.
func TestArchitecture(t *testing.T) {
	sources := readModule(t)
	for _, v := range violations(sources) {
		t.Error(v)
	}
	// A rule about a package that was renamed would hold for ever.
	for pkg := range core {
		if !slices.ContainsFunc(sources, func(s source) bool { return s.pkg == pkg }) {
			t.Errorf("there is no package %s: rename it in the rules too", pkg)
		}
	}
}

// TestViolations breaks the rules one by one, and comes close to breaking them.
func TestViolations(t *testing.T) {
	tests := []struct {
		pkg, name, text string
		want            string // part of the one violation, empty for none
	}{
		{"wire", "a.go", `import "net"`, "wire/a.go may not import net, since the core does no I/O"},
		{"wire", "a.go", `import "net/netip"`, ""},
		{"wire", "a_test.go", `import "net"`, ""},
		{"wire", "a.go", `import "sync/atomic"`, ""},
		{"detect", "a.go", `import "sync"`, "no locks"},
		{"detect", "a.go", `import "log/slog"`, "logs nothing"},
		{"detect", "a.go", `import "os"`, "no I/O"},
		{"detect", "a.go", `import "` + module + `/locator"`, ""},
		{"detect", "a.go", `import "` + module + `/wire"`, "imports run one way"},
		{"locator", "a.go", `import "` + module + `/detect"`, "imports run one way"},
		{"inner", "a.go", `import "` + module + `/wire"`, "imports run one way"},
		{"shim", "a.go", `import "` + module + `/inner"`, ""},
		{"shim", "a.go", `import "golang.org/x/crypto/blake2s"`, ""},
		{"shim", "a.go", `import "github.com/spf13/cobra"`, "imports run one way"},
		{"wire", "a.go", `import "golang.org/x/crypto/blake2s"`, "imports run one way"},
		{"tun", "a.go", `import "` + module + `/internal/node"`, "an edge serves the node"},
		{"internal/resolve", "a.go", `import "` + module + `/internal/node"`, "an edge serves the node"},
		{"internal/node", "a.go", `import "` + module + `/cmd/multi6"`, "outermost layer"},
		{"internal/node", "a.go", `import "net"`, ""},
		{"wire/layers", "a.go", `import "github.com/google/gopacket"`, ""},
		{"internal/node", "a.go", `import "github.com/google/gopacket/layers"`, "gopacket allocates"},
		{"internal/node", "a_test.go", `import "github.com/google/gopacket/layers"`, ""},
		{"internal/node", "a.go", `import "testing"`, "what is for tests"},
		{"internal/node", "a.go", `import "github.com/multi6/multi6/internal/testkit"`, "what is for tests"},
		{"detect", "a.go", `import "time"; var t = time.Now()`, "detect/a.go may not use time.Now"},
		{"detect", "a.go", `import clock "time"; var t = clock.Since`, "time.Since"},
		{"detect", "a.go", `import "time"; func f(t time.Time) time.Time { return t.Add(time.Second) }`, ""},
		{"internal/node", "a.go", `import "time"; var t = time.Now()`, ""},
		{"locator", "a.go", `import _ "math/rand/v2"`, "no random numbers"},
	}
	for _, tt := range tests {
		s, err := parse(tt.pkg, tt.name, []byte("package p; "+tt.text))
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Join(violations([]source{s}), "\n")
		if tt.want == "" && found != "" || !strings.Contains(found, tt.want) {
			t.Errorf("%s in %s/%s: %q, want %q", tt.text, tt.pkg, tt.name, found, tt.want)
		}
	}
}
