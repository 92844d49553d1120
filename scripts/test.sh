#!/usr/bin/env bash
# Runs all checks and tests, those that need root and a real kernel too. The
# exit code says whether all was well, the last line how many tests passed and
# failed.
#
#   FUZZTIME=1m scripts/test.sh    fuzz each target for a minute (default 40000
#                                  inputs: a time limit can cut an input short)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

become_root "$@"
need_go
command -v cc >/dev/null || command -v gcc >/dev/null ||
	fail "the race detector needs a C compiler: apt-get install gcc libc6-dev"

export MULTI6_REQUIRE_ROOT=1
export CGO_ENABLED=1
# Statements of these packages, in percent, that tests must run.
core=(wire inner locator detect shim)
least=90
# On other processors nearly all of gcm is out of use.
has() { for flag; do grep -qw "$flag" /proc/cpuinfo || return; done; }
has avx2 vaes vpclmulqdq && core+=(gcm)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

summary=()
broken=0 # steps that failed, apart from the tests in them

# step runs a function or command under a heading and notes how it went.
step() {
	local title=$1 begin=$SECONDS verdict=ok
	shift
	printf '\n== %s\n' "$title"
	if ! "$@"; then
		verdict=FAILED
		broken=$((broken + 1))
	fi
	summary+=("$(printf '%-6s %4d s  %s' "$verdict" $((SECONDS - begin)) "$title")")
	printf -- '-- %s: %s after %d s\n' "$title" "$verdict" $((SECONDS - begin))
}

formatted() {
	local files
	files=$(gofmt -l .) || return
	[[ -z $files ]] && return
	printf 'run gofmt -w on:\n%s\n' "$files"
	return 1
}

# tests runs all tests, and prints what those that failed have to say.
tests() {
	local status=0
	local packages
	packages=$(IFS=,; echo "${core[*]/#/./}")
	# Only -json tells results from what a test prints.
	go test -race -short -shuffle=on -timeout 20m -json \
		-coverpkg="$packages" -coverprofile="$work/coverage" ./... >"$work/tests.json" 2>"$work/tests.err" || status=$?
	cat "$work/tests.err"
	awk -v passed="$work/passed" -v failed="$work/failed" -v skipped="$work/skipped" '
		# field returns the string that key has in the line; events are flat.
		function field(key,   at, rest) {
			at = index($0, "\"" key "\":\"")
			if (!at) return ""
			rest = substr($0, at + length(key) + 4)
			match(rest, /^([^"\\]|\\.)*/)
			return substr(rest, 1, RLENGTH)
		}
		function plain(s) {
			gsub(/\\n/, "", s); gsub(/\\t/, "\t", s); gsub(/\\"/, "\"", s)
			gsub(/\\u003c/, "<", s); gsub(/\\u003e/, ">", s); gsub(/\\u0026/, "\\&", s); gsub(/\\\\/, "\\", s)
			return s
		}
		{
			action = field("Action"); package = field("Package"); test = field("Test")
			if (package == "") package = field("ImportPath")
		}
		# What is output for a package, or for one test of it, is shown if that fails.
		function show_if_failed() {
			key = package " " test
			if (action == "fail" || action == "build-fail") bad[++n] = key
			else delete text[key]
		}
		action == "output" || action == "build-output" {
			line = plain(field("Output"))
			if (line !~ /^=== /) text[package " " test] = text[package " " test] line "\n"
		}
		action ~ /pass|skip|fail/ {
			if (test) count[action]++
			else printf "%-5s %s\n", action == "build-fail" ? "BUILD" : action == "fail" ? "FAIL" : "ok", package
			show_if_failed()
		}
		END {
			for (i = 1; i <= n; i++) { printf "\n---- %s\n%s", bad[i], text[bad[i]]; delete text[bad[i]] }
			# What remains was cut short, by a panic or the time limit.
			for (key in text) printf "\n---- %s (did not end)\n%s", key, text[key]
			print count["pass"] + 0 >passed; print count["fail"] + 0 >failed; print count["skip"] + 0 >skipped
		}' "$work/tests.json"
	return "$status"
}

# full runs those tests of a package that are less with -short, whole.
full() {
	local names
	names=$(awk '
		/^func Test/ { name = $2; sub(/\(.*/, "", name) }
		/testing\.Short\(\)/ { print name }' "$1"/*_test.go | paste -sd '|')
	go test -count=1 -timeout 10m -run "^($names)\$" "$@"
}

# coverage prints the share of each core package that the tests ran.
coverage() {
	[[ ${core[*]} == *gcm* ]] || echo "gcm       not measured: its cipher needs a processor with VAES and VPCLMULQDQ"
	[[ -s $work/coverage ]] || { echo "no coverage: the tests did not run"; return 1; }
	awk -v module="$(go list -m)/" -v wanted="${core[*]}" -v least="$least" '
		# FILE:FROM,TO STATEMENTS COUNT, the same block once for each test binary.
		NR > 1 { size[$1] = $2; if ($3 > 0) ran[$1] = 1 }
		END {
			for (b in size) {
				p = substr(b, length(module) + 1); sub(/\/[^\/]*$/, "", p)
				all[p] += size[b]; if (b in ran) hit[p] += size[b]
			}
			n = split(wanted, names, " ")
			for (i = 1; i <= n; i++) {
				p = names[i]; share = all[p] ? 100 * hit[p] / all[p] : 0
				low = share <= least; bad = bad || low
				printf "%-8s %5.1f %%%s\n", p, share, low ? "  (must be more than " least " %)" : ""
			}
			exit bad
		}' "$work/coverage"
}

# fuzz runs every fuzz target on some inputs.
fuzz() {
	local file name status=0
	while IFS=: read -r file name; do
		echo "$(dirname "$file") $name"
		# Minimising a large interesting input otherwise takes all the time there is.
		if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-40000x}" -fuzzminimizetime 1x \
			"./$(dirname "$file")" >"$work/fuzz" 2>&1; then
			cat "$work/fuzz"
			status=1
		fi
	done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|^\./||; s|:func |:|')
	return "$status"
}

step "gofmt" formatted
step "go vet" go vet ./...
step "staticcheck" go tool staticcheck -checks all ./...
step "go mod tidy" go mod tidy -diff
step "build" go build -buildvcs=false ./...
step "tests: pure, virtual time, real kernel (-race, shuffled)" tests
step "in full: 10,000 faults under virtual time (250 schedules of 40), and what else -short cuts" \
	full ./internal/node -seeds 250
step "in full: 200 schedules of faults for the simulated TCP" full ./internal/sim
step "in full: 20 simulated hours each of jitter and of loss, without a false switch" full ./internal/alarms
step "coverage of the core" coverage
step "fuzzing" fuzz

read_count() { cat "$work/$1" 2>/dev/null || echo 0; }
passed=$(read_count passed) failed=$(read_count failed) skipped=$(read_count skipped)

printf '\n== summary (%d min %d s)\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '%s\n' "${summary[@]}"
echo "$skipped tests skipped, $broken steps failed"
# Here nothing may be missing: a test that was skipped was not run.
if ((skipped > 0)); then
	echo "skipped tests count as failed: their reasons are in the output of 'go test -v'"
	failed=$((failed + skipped))
fi
# A step that failed without a failed test counts as one.
if ((broken > 0 && failed == 0)); then
	failed=$broken
fi
echo "$passed passed, $failed failed"
((failed == 0))
