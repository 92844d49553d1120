#!/usr/bin/env bash
# Builds multi6 and wireguard-go, and measures what two network namespaces get
# through to each other directly and over each of them, side by side; that takes
# some ten minutes, and it says how many before it starts. Arguments go to 'multi6
# bench throughput'. Results go to the current directory unless --out says
# otherwise. Nothing else should run meanwhile.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The daemon is the root package of the module whose parts multi6 uses, in the
# version that go.mod names.
build_wireguard() {
	[[ -z ${MULTI6_BUILT:-} ]] || return 0
	need_go
	go build -o bin/wireguard-go golang.zx2c4.com/wireguard
}

build_wireguard
build_multi6
become_root "$@"
exec bin/multi6 bench throughput "$@"
