# What CI runs, all of it and nothing else.
ready:
    ./.ci/run

# All tests; `just test --quick` leaves out those that need a browser.
test *ARGS:
    ./scripts/test {{ARGS}}

# Ordinary and hostile clients for so many minutes: memory flat, nothing left open, no panic.
soak MINUTES="10":
    ./scripts/soak {{MINUTES}}

# The example app behind the gate: the thing to try first.
demo *ARGS:
    cargo run --locked --bin palisade -- demo {{ARGS}}

# Which rows of the mission are proved: `just rows --from target/test-output.txt` reads the last run.
rows *ARGS:
    ./scripts/rows {{ARGS}}

# Fuzz one target for a while, or, without a name, list the targets.
fuzz TARGET="" SECONDS="60":
    @if [ -n "{{TARGET}}" ]; then ./scripts/fuzz {{TARGET}} {{SECONDS}}; else ls fuzz/seeds; fi
