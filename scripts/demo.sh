#!/usr/bin/env bash
# Builds multi6 and runs its demonstration, which needs no configuration and
# leaves nothing behind. Arguments go to 'multi6 demo'.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_multi6
become_root "$@"
exec bin/multi6 demo "$@"
