# shellcheck shell=bash
# Runs named steps one after the other, whatever becomes of each, and sums them up. Sourced by scripts/test and .ci/run.

steps_done=()
steps_failed=0

# step NAME COMMAND...
step() {
    local name=$1 started=$SECONDS code=0 verdict=ok
    shift
    printf '\n==> %s\n' "$name"
    # A command under `if` or `||` would run without `set -e`, and go on after its first error.
    set +e
    (
        set -e
        "$@"
    )
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then
        verdict="FAILED ($code)"
        steps_failed=$((steps_failed + 1))
    fi
    printf -- '--- %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - started))
    steps_done+=("$(printf '%-14s %5d s  %s' "$verdict" $((SECONDS - started)) "$name")")
}

# The steps with their times; fails when one of them did.
steps_summary() {
    printf '\n==> summary\n'
    printf '    %s\n' "${steps_done[@]}"
    [ "$steps_failed" -eq 0 ]
}
