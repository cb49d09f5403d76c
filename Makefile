# Every command of this project is one word here; docs/HACKING.md says more about each.

SWIFT ?= swift
# Whole-program optimisation over module boundaries, and no run-time checks of exclusivity: tests run with them on.
RELEASE_FLAGS = -c release -Xswiftc -cross-module-optimization -Xswiftc -enforce-exclusivity=unchecked
RELEASE_BIN = .build/release
# What `make run` passes to `clarion start`, for example `make run ARGS='--port 9000'`.
ARGS ?=
# Seconds for each fuzz target: `make fuzz T=3600`.
T ?= 60
FUZZ_SECONDS ?= $(T)

.PHONY: run build release setup test unit behaviour lint format docs bench bench-check bench-accept bench-floors \
  bench-peers profile soak soak-faults fuzz asan tsan conformance clean help

run: setup ## Install what is missing, build, and start a node on 127.0.0.1:8080
	$(SWIFT) build $(RELEASE_FLAGS) --product clarion
	$(RELEASE_BIN)/clarion start $(ARGS)

setup: ## Install the Debian packages that are missing
	@Tools/setup

build: ## Build for debugging
	$(SWIFT) build

release: ## Build the node and the load generator for use
	$(SWIFT) build $(RELEASE_FLAGS) --product clarion
	$(SWIFT) build $(RELEASE_FLAGS) --product wsbench

test: setup ## Run everything that can fail; the last line counts
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tools/run-tests

unit: ## Run the unit tests
	@Tools/run-tests unit

behaviour: ## Run the behaviour suite over real sockets
	@Tools/run-tests behaviour

lint: ## Check format, floors and style
	@Tools/run-tests lint

format: ## Format all Swift sources
	$(SWIFT) format format --in-place --parallel --recursive Package.swift $(wildcard Sources Tests Tools Benchmarks)

docs: build ## Write the pages of docs/ that are made of the table of settings
	.build/debug/clarion config --markdown configuration > docs/CONFIGURATION.md
	.build/debug/clarion config --markdown limits > docs/LIMITS.md

bench: release ## Compare with other servers, side by side
	Tools/bench $(ARGS)

bench-peers: release ## The long comparison: more peers, more shapes; writes docs/PERFORMANCE.md
	Tools/bench --set peers --json out/bench-peers.json --document docs/PERFORMANCE.md $(ARGS)

bench-check: ## Fail when instructions or allocations have grown by more than 3 %
	@Tools/bench-check

bench-accept: ## Take the instructions and allocations of now as the thresholds
	@Tools/bench-check --accept

# Single benchmarks: make bench-floors ARGS='--filter wire.*'
bench-floors: ## Time the parts of each floor
	$(SWIFT) package --package-path Benchmarks --scratch-path .build-benchmarks $(filter-out -c release,$(RELEASE_FLAGS)) \
	  --allow-writing-to-package-directory benchmark --target Floors $(ARGS)

profile: release ## Record where a node under load spends its time: flame graph and table
	Tools/profile $(ARGS)

soak: release ## Load a node for SOAK_MINUTES (60) and see whether it stays flat
	Tools/soak

soak-faults: release ## The same while clients are killed, connections reset, the node stopped, descriptors and log full
	Tools/soak --faults

fuzz: ## Fuzz each target for FUZZ_SECONDS
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tools/run-tests fuzz

asan: ## Run the behaviour suite under the address sanitizer
	@Tools/run-tests asan

tsan: ## Run the behaviour suite under the thread sanitizer
	@Tools/run-tests tsan

conformance: ## Run the Autobahn suite on both backends
	@Tools/run-tests conformance

clean: ## Remove everything that was built or fetched
	rm -rf .build .build-* .venv .autobahn out

help: ## Print this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20
