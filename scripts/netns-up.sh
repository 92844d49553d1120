#!/usr/bin/env bash
# Makes a playground of four network namespaces and runs a daemon in two of them:
#
#	┌── a1 ── m6r1 ── b1 ──┐
#	m6a        │cross      m6b
#	└── a2 ── m6r2 ── b2 ──┘
#
#	a1 10.77.11.0/24 2001:db8:a1::/64    b1 10.77.21.0/24 2001:db8:b1::/64
#	a2 10.77.12.0/24 2001:db8:a2::/64    b2 10.77.22.0/24 2001:db8:b2::/64
#	cross 10.77.30.0/24 2001:db8:c::/64
#
# Hosts are .1 and ::1, routers .254 and ::fe; on the cross link .1 and .2, ::1
# and ::2. Run again, it starts afresh. netns-down.sh removes it all.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/playground.sh
source scripts/playground.sh

build_multi6
become_root "$@"
need_ip
take_down
for ns in "${namespaces[@]}"; do
	if namespace_exists "$ns"; then
		fail "there is a namespace $ns that is not ours; if nobody needs it: ip netns del $ns"
	fi
done
mkdir -m 0755 "$state"
# Whatever goes wrong from here on, nothing is left behind.
trap take_down EXIT

# write NAMESPACE VALUE FILE... writes to files below /proc/sys/net.
write() {
	local ns=$1 value=$2 file
	shift 2
	for file; do
		ip netns exec "$ns" sh -c "echo $value >/proc/sys/net/$file"
	done
}

make_namespace() {
	ip netns add "$1"
	ip -n "$1" link set lo up
	local scope
	for scope in all default; do
		write "$1" 0 ipv4/conf/$scope/rp_filter ipv6/conf/$scope/accept_dad ipv6/conf/$scope/accept_ra
		write "$1" 1 ipv6/conf/$scope/keep_addr_on_down ipv4/conf/$scope/arp_ignore
		write "$1" 2 ipv4/conf/$scope/arp_announce
	done
}

make_router() {
	make_namespace "$1"
	write "$1" 1 ipv4/ip_forward ipv6/conf/all/forwarding
}

# join NAME NS1 NS2 V4 V6 END1 END2 makes a link with one name at both ends.
join() {
	local name=$1 v4=$4 v6=$5
	ip link add "$name" netns "$2" type veth peer name "$name" netns "$3"
	set_end "$2" "$name" "$v4.$6/24" "$v6::$(six "$6")/64"
	set_end "$3" "$name" "$v4.$7/24" "$v6::$(six "$7")/64"
}

# six writes the number of an interface as IPv6 addresses have it.
six() { printf '%x' "$1"; }

set_end() {
	ip -n "$1" link set "$2" up
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" addr add "$4" dev "$2" nodad
}

# ways_out gives host $1 (a or b) a default route by both uplinks, and sends what
# comes from an uplink's address out of that uplink.
ways_out() {
	local host=$1 first=$2 i name
	for i in 1 2; do
		name=$host$i
		local v4=10.77.$((first + i)) v6=2001:db8:$name:
		local table
		for table in "main metric ${i}00" "10$i"; do
			# shellcheck disable=SC2086 # table is words
			ip -n "m6$host" route add default via "$v4.254" dev "$name" table $table
			# shellcheck disable=SC2086
			ip -6 -n "m6$host" route add default via "$v6:fe" dev "$name" table $table
		done
		ip -n "m6$host" rule add from "$v4.1" lookup "10$i" priority "100$i"
		ip -6 -n "m6$host" rule add from "$v6:1" lookup "10$i" priority "100$i"
	done
}

make_namespace m6a
make_namespace m6b
make_router m6r1
make_router m6r2
for i in 1 2; do
	join "a$i" m6a "m6r$i" "10.77.1$i" "2001:db8:a$i" 1 254
	join "b$i" m6b "m6r$i" "10.77.2$i" "2001:db8:b$i" 1 254
done
join cross m6r1 m6r2 10.77.30 2001:db8:c 1 2
ways_out a 10
ways_out b 20
for i in 1 2; do
	other=$((3 - i))
	for link in "10.77.1$other.0/24" "10.77.2$other.0/24"; do
		ip -n "m6r$i" route add "$link" via "10.77.30.$other"
	done
	for link in "2001:db8:a$other::/64" "2001:db8:b$other::/64"; do
		ip -6 -n "m6r$i" route add "$link" via "2001:db8:c::$other"
	done
done

program=$root_of_repository/bin/multi6

# configure HOST PEER FIRST writes the configuration of a host; FIRST as above,
# of the peer.
configure() {
	cat >"$state/$1.toml" <<END
private_key_file = "$1.key"
interface = "shim0"
control_socket = "$state/$1.sock"

[[peer]]
name = "$2"
public_key = "$("$program" pubkey "$state/$2.key")"
locators = ["2001:db8:${2}1::1", "2001:db8:${2}2::1", "10.77.$(($3 + 1)).1", "10.77.$(($3 + 2)).1"]
END
}

# start runs the daemon of a host in the background and waits until it answers.
start() {
	local host=$1 pid
	setsid ip netns exec "m6$host" "$program" up "$state/$host.toml" </dev/null >"$state/$host.log" 2>&1 &
	pid=$!
	printf '%s\n%s\n' "$pid" "$program" >"$state/$host.pid"
	for _ in {1..100}; do
		if "$program" status --socket "$state/$host.sock" >/dev/null 2>&1 || (($? != 4)); then
			return
		fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$state/$host.log" >&2
	fail "the daemon in m6$host does not answer"
}

for host in a b; do
	(umask 077; "$program" genkey >"$state/$host.key")
done
configure a b 20
configure b a 10
start a
start b
trap - EXIT

id_b=$("$program" id "$state/b.key")
cat <<END
The playground is up. Things to try, as root:

  ip netns exec m6a ping $id_b
  ip netns exec m6b nc -6 -l -p 5000     and elsewhere
  ip netns exec m6a nc -6 $id_b 5000
  ip netns exec m6a bin/multi6 status --socket $state/a.sock
  watch -n 0.2 bin/multi6 status --socket $state/a.sock
  tail -f $state/a.log

Break the path by the first router, and mend it:

  ip -n m6r1 link set a1 down            m6a sees its link go
  ip -n m6r1 link set a1 up
  ip netns exec m6r1 sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
                                         nobody is told: IPv6 vanishes in the router
  ip netns exec m6r1 sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

Remove it all with scripts/netns-down.sh.
END
