#!/usr/bin/env bash
# Removes what netns-up.sh made: its two daemons, its namespaces, its files. Does
# nothing if there is nothing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/playground.sh
source scripts/playground.sh

become_root "$@"
need_ip
take_down
