# `make` lists the targets. Every target that compiles shares one target directory, outside the checkout, so that a
# second checkout (or CI's fresh clone) reuses what the first one built.
export CARGO_TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/connectome/target)

# One profile and one selection of crates everywhere: `--workspace` makes cargo pick the same features for a shared
# dependency each time, so that nothing is compiled twice. See docs/adr/0003-one-profile-one-target-directory.md.
CARGO_FLAGS := --release --locked
NODE := $(CARGO_TARGET_DIR)/release/connectome-node
# Cases per property and seconds of libFuzzer per target in `make fuzz`, and what else `make node`, `make demo` and
# `make bench` are given. BENCH names what `make bench` measures, if not everything.
CASES ?= 20000
FUZZ_SECONDS ?= 60
ARGS ?=
TASK ?=
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup node neuron demo test lint bench doc fuzz weights metadata

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build needs; safe to repeat
	@./scripts/setup.sh

node: setup ## build the node if needed and run a development chain on port 9944 (ARGS=.. adds options)
	cargo build $(CARGO_FLAGS) --workspace --bin connectome-node
	$(NODE) --dev $(ARGS)

neuron: ## set up, and build the neuron's programs: neuron and neuron-worker
	@./scripts/setup.sh --with-libtorch
	LIBTORCH="$$(./scripts/libtorch.sh)" cargo build $(CARGO_FLAGS) --workspace --bin neuron --bin neuron-worker

demo: ## set up, build, and watch a chain and five neurons that teach each other; ends with a report (TASK=bert or gpt: text; ARGS=.. adds options)
	@./scripts/demo.sh $(if $(TASK),--task $(TASK)) $(ARGS)

test: ## set up, then every check: format, lints, docs, build, all tests
	@./scripts/test.sh

lint: setup ## format and clippy, warnings denied; licences too where cargo-deny is installed
	@./scripts/test.sh format lint licences

bench: ## set up, build, and measure: epoch codec wire router train models learning snapshot startup (BENCH=wire: only that; ARGS=.. adds options)
	@ARGS="$(ARGS)" ./scripts/bench.sh $(BENCH)

doc: setup ## build the API documentation, warnings denied
	@./scripts/test.sh docs
	@echo "open $(CARGO_TARGET_DIR)/doc/connectome_runtime/index.html"

fuzz: setup ## property tests with many more cases (CASES=20000), then each target of libFuzzer (FUZZ_SECONDS=60) where cargo-fuzz is installed
	PROPTEST_CASES=$(CASES) cargo test --profile checked --locked --package incentive
	PROPTEST_CASES=$(CASES) cargo test $(CARGO_FLAGS) --package pallet-metagraph --features runtime-benchmarks,try-runtime
	PROPTEST_CASES=$(CASES) cargo test $(CARGO_FLAGS) --package neuron-proto --package neuron-peer
	@if cargo fuzz --version >/dev/null 2>&1; then \
	  export RUSTC_BOOTSTRAP=1; \
	  cd fuzz && for target in $$(cargo fuzz list); do \
	    cargo fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	  done; \
	else \
	  echo "skipped libFuzzer: see fuzz/README.md"; \
	fi

weights: setup ## measure the pallet's dispatch weights again and rewrite pallets/metagraph/src/weights.rs
	@./scripts/weights.sh

metadata: setup ## write neuron/metagraph/metadata.scale again, after the runtime's calls or interfaces have changed
	cargo build $(CARGO_FLAGS) --workspace --bin connectome-node
	@./scripts/metadata.sh
