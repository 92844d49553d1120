# Functions for the other scripts, which source this file. They run from the
# repository's root.
# shellcheck shell=bash

root_of_repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root_of_repository" || exit 1

# fail prints a message and ends the script.
fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# need_go finds Go and checks its version.
need_go() {
	if ! command -v go >/dev/null && [[ -x /usr/local/go/bin/go ]]; then
		PATH=$PATH:/usr/local/go/bin
	fi
	command -v go >/dev/null || fail "Go 1.26 or newer is needed, and there is none: see https://go.dev/dl/"
	# An older Go of 1.21 or later fetches the version that go.mod asks for.
	local version major minor
	version=$(go env GOVERSION) || fail "Go 1.26 or newer is needed and cannot be fetched: see https://go.dev/dl/"
	IFS=. read -r major minor _ <<<"${version#go}"
	minor=${minor%%[!0-9]*}
	if ((major < 1 || major == 1 && ${minor:-0} < 26)); then
		fail "Go 1.26 or newer is needed, this is $version: see https://go.dev/dl/"
	fi
}

# become_root starts the script anew as root unless it is. What is needed of the
# environment goes with it, since sudo drops it.
become_root() {
	((EUID != 0)) || return 0
	command -v sudo >/dev/null || fail "must run as root, as it makes network namespaces; there is no sudo, so become root first"
	echo "${0##*/}: needs root for network namespaces; asking sudo" >&2
	local keep=() name
	for name in CI FUZZTIME MULTI6_REQUIRE_ROOT MULTI6_BUILT GOFLAGS GOPROXY GOSUMDB GOTOOLCHAIN; do
		[[ -z ${!name:-} ]] || keep+=("$name=${!name}")
	done
	exec sudo -H env "PATH=$PATH" ${keep[@]+"${keep[@]}"} "$root_of_repository/scripts/${0##*/}" "$@"
}

# build_multi6 builds bin/multi6, as the calling user where possible: a script
# that calls it before become_root does not build again afterwards.
build_multi6() {
	[[ -z ${MULTI6_BUILT:-} ]] || return 0
	need_go
	go build -o bin/multi6 ./cmd/multi6
	export MULTI6_BUILT=1
}
