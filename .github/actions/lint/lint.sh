#!/usr/bin/env bash
# One step of the action: lints with the inputs (INPUT_*) and ends as the linter did.
set -uo pipefail

binary=${INPUT_BINARY:-$HOME/.cache/oap-conform/bin/oap-conform}
arguments=(--format github --fail-on "${INPUT_FAIL_ON:-error}")
[ -n "${INPUT_PRESET:-}" ] && arguments+=(--preset "$INPUT_PRESET")
[ -n "${INPUT_SARIF:-}" ] && arguments+=(--report "sarif=$INPUT_SARIF")
# The linter expands globs itself; a name with a space in it cannot be given.
read -ra paths <<<"${INPUT_PATHS:-}"
exec "$binary" lint "${arguments[@]}" -- ${paths[@]+"${paths[@]}"}
