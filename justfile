# Short recipes; anything longer is a test or a hidden subcommand. `just` lists them.

default:
    @just --list --unsorted

[group('try')]
demo *ARGS:
    cargo run --release -p renkei -- demo {{ARGS}}

[group('try')]
sim *ARGS:
    cargo run --release -p renkei -- sim {{ARGS}}

[group('develop')]
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# The model, the engine and the house style: no wasmtime, seconds.
[group('develop')]
quick:
    cargo test -p renkei-model -p renkei-sync -p renkei-engine-tests

[group('develop')]
test:
    cargo test --workspace

# Ratios within one run, as JSON; `just bench planner store` for some only.
[group('develop')]
bench *NAMES:
    cargo run --release -p renkei-bench -- {{NAMES}} --json

# Play random histories and count broken promises: `just histories 0..200000`.
[group('develop')]
histories SEEDS *ARGS:
    cargo run --release -p renkei-histories -- histories --seeds {{SEEDS}} {{ARGS}}

# Compare our engine with the loops that people write instead; prints the table of the README.
[group('develop')]
contest *ARGS:
    cargo run --release -p renkei-histories -- contest {{ARGS}}

[group('develop')]
docs:
    cargo doc --workspace --no-deps --open

[group('release')]
ci:
    .ci/run
