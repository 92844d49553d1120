package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribeBuild(t *testing.T) {
	setting := func(kv ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			s = append(s, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return s
	}
	const revision = "0123456789abcdef0123456789abcdef01234567"
	tests := []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"", nil, "devel, go"},
		{"(devel)", nil, "devel, go"},
		{"v1.2.3", nil, "v1.2.3, go"},
		{"(devel)", setting("vcs.revision", revision, "vcs.modified", "false"), "devel (0123456789ab), go"},
		{"(devel)", setting("vcs.revision", "0123", "vcs.modified", "true"), "devel (0123, modified), go"},
	}
	for _, tt := range tests {
		info := &debug.BuildInfo{Main: debug.Module{Version: tt.version}, Settings: tt.settings}
		if got := describeBuild(info); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q, want %q…", got, tt.want)
		}
	}
}
