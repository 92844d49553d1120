#!/usr/bin/env bash
# Builds multi6 and measures how long connections stall when paths fail, over
# all faults, modes and round-trip times; that takes hours, and it says how many
# before it starts. Arguments go to 'multi6 bench failover' and narrow it down, or
# add others for comparison: --compare. Results go to the current directory
# unless --out says otherwise.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_multi6
become_root "$@"
exec bin/multi6 bench failover "$@"
