#!/usr/bin/env bash
# One step of the action: judges, or joins reports, with the inputs (INPUT_*), writes outputs and summary, ends as the suite did.
set -uo pipefail

binary=${INPUT_BINARY:-$HOME/.cache/oap-conform/bin/oap-conform}
reports=${INPUT_REPORT_DIR:-conformance-report}
mkdir -p "$reports"
# A target file may start what is installed beside the suite, its own reference for one.
PATH="$(cd "$(dirname "$binary")" && pwd):$PATH"
export PATH

if [ -n "${INPUT_MERGE:-}" ]; then
    # Globs are meant here; a name with a space in it cannot be given.
    # shellcheck disable=SC2206
    arguments=(merge $INPUT_MERGE)
else
    arguments=(run --jobs "${INPUT_JOBS:-2}")
    if [ -n "${INPUT_URL:-}" ]; then
        arguments+=(--url "$INPUT_URL")
    elif [ -n "${INPUT_COMMAND:-}" ]; then
        arguments+=(--command "$INPUT_COMMAND")
    else
        arguments+=(--target "${INPUT_TARGET:-oap-target.toml}")
    fi
    read -ra profiles <<<"${INPUT_PROFILES:-}"
    for profile in ${profiles[@]+"${profiles[@]}"}; do
        arguments+=(--profile "$profile")
    done
    [ -n "${INPUT_FILTER:-}" ] && arguments+=(--filter "$INPUT_FILTER")
    [ -n "${INPUT_REVISION:-}" ] && arguments+=(--revision "$INPUT_REVISION")
    [ -n "${INPUT_SHARD:-}" ] && arguments+=(--shard "$INPUT_SHARD")
    [ -n "${INPUT_BASELINE:-}" ] && arguments+=(--baseline "$INPUT_BASELINE")
fi
[ -n "${INPUT_FAIL_ON:-}" ] && arguments+=(--fail-on "$INPUT_FAIL_ON")
for form in json junit sarif markdown html badge; do
    extension=$form
    case $form in
    junit) extension=xml ;;
    markdown) extension=md ;;
    badge) extension=badge.json ;;
    esac
    arguments+=(--report "$form=$reports/report.$extension")
done

# A report of an earlier step must not be taken for this one's.
rm -f "$reports"/report.*
"$binary" "${arguments[@]}"
code=$?

{
    echo "exit-code=$code"
    echo "report-path=$reports/report.json"
    if [ -f "$reports/report.json" ]; then
        "$binary" report "$reports/report.json" --format outputs
    else
        echo "conformant=false"
        printf '%s=0\n' must-passed must-total not-observed
    fi
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$reports/report.md" ]; then
    cat "$reports/report.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
