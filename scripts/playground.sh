# What netns-up.sh and netns-down.sh share.
# shellcheck shell=bash

namespaces=(m6a m6b m6r1 m6r2)
# State of the playground. Its namespaces are ours only if this exists.
state=/run/multi6-playground

need_ip() {
	command -v ip >/dev/null && return
	if ! command -v apt-get >/dev/null; then
		fail "needs the program 'ip': install the package iproute2"
	fi
	apt-get install -y iproute2 || fail "needs the program 'ip': apt-get update && apt-get install iproute2"
}

namespace_exists() { [[ -e /run/netns/$1 ]]; }

# stop ends the daemon of host $1 if the process of its pid file still is ours.
stop() {
	local pid exe
	{ read -r pid && read -r exe; } <"$state/$1.pid" 2>/dev/null || return 0
	is_ours "$pid" "$exe" || return 0
	kill -TERM "$pid" 2>/dev/null || return 0
	for _ in {1..50}; do
		is_ours "$pid" "$exe" || return 0
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null || true
}

# is_ours reports whether process $1 runs program $2. A program that was built
# again is "deleted".
is_ours() {
	local running
	running=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
	[[ ${running% (deleted)} == "$2" ]]
}

take_down() {
	[[ -d $state ]] || return 0
	local host ns
	for host in a b; do
		stop "$host"
	done
	for ns in "${namespaces[@]}"; do
		if namespace_exists "$ns"; then
			ip netns del "$ns"
		fi
	done
	rm -rf "$state"
}
