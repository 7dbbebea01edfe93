# What a person does from a fresh clone; `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup develop demo check test bench lock
MAKEFLAGS += --no-print-directory

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: ## put what the agent and the aggregator need into .venv
	@scripts/setup.sh programs

develop: ## the same, with training, tests and linters
	@scripts/setup.sh develop

demo: setup ## everything live on this machine, at http://localhost:8000 (DEMO_PORT, DEMO_SECONDS)
	@command -v mosquitto /usr/sbin/mosquitto >/dev/null || scripts/install-packages.sh mosquitto || true
	@exec .venv/bin/python scripts/demo.py

check: develop ## lint, format, types and import layers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Two files at once: many tests wait for a program more than they compute.
test: develop ## check, then every test (installs tests/apt-packages.txt where it can)
	@scripts/install-packages.sh $$(grep -v '^#' tests/apt-packages.txt) || test -z "$$CI"
	@$(MAKE) check
	.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: develop ## what is fast, measured against peers in one run (BENCH="--quick --rounds 1")
	@benchmarks/install-peers.sh
	.venv/bin/python -m benchmarks $(BENCH)

lock: develop ## resolve requirements/*.txt again (LOCK="--upgrade" takes newer versions)
	scripts/lock.sh $(LOCK)
