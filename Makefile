# Slipway: `make` prints what there is. Works with GNU make 3.81 and newer.

PYTHON ?=
BIN := .venv/bin
UV := uv==0.13.9
DRILL_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help up test drill bench-gateway bench-conformance bench-judge lint format types imports lock venv install install-dev clean

help: ## print this list
	@echo "Slipway: release management for machine-learning models"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

up: install ## install what is needed and start everything; Ctrl-C stops it
	@exec $(BIN)/python manage.py up

test: install-dev ## run all tests (six to eight minutes on two cores); REQUIRE_ALL=1 makes a skip an error
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not browser"
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m browser

drill: install-dev ## run the long proofs, each prints its figure; SHORT=1 for the short form
	@DRILL=1 SHORT=$(SHORT) $(BIN)/python -m pytest -q -s -m drill $(DRILL_FLAGS)

bench-gateway: install-dev ## the gateway beside its peers; QUICK=1 takes two minutes, BENCH_FLAGS="--peers fastapi-onnx" fewer
	@$(BIN)/python -m benchmarks.gateway $(if $(QUICK),--quick,--write) $(BENCH_FLAGS)

bench-conformance: install-dev ## the conformance suite against the gateway and two reference servers, kept in docs/protocols.md
	@$(BIN)/python -m benchmarks.conformance

bench-judge: install-dev ## the judge's guarantee and speed by simulation, kept in docs/judge.md; QUICK=1 takes minutes
	@$(BIN)/python -m benchmarks.judge $(if $(QUICK),--quick,--write) $(BENCH_FLAGS)

lint: install-dev ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: install-dev ## let ruff mend what it can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: install-dev ## mypy
	@$(BIN)/mypy .

imports: install-dev ## the import contracts
	@$(BIN)/lint-imports

lock: install-dev ## write the three lock files again from requirements*.in
	@for name in requirements requirements-dev requirements-clients; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			$$name.in --output-file $$name.txt || exit 1; done

clean: ## remove .venv (the data in var/ stays)
	@rm -rf .venv

# --- .venv, and what is locked, installed only when the lock has changed ------------------------------------------

venv:
	@test -x $(BIN)/python || { $(find-python) && $(check-venv) && \
		echo "Making .venv with $$found" && { $$found -m venv .venv || { rm -rf .venv; false; }; }; }

install: venv
	@$(call install-lock,requirements.txt)

install-dev: install
	@$(call install-lock,requirements-dev.txt)

define find-python
for found in $(or $(PYTHON),python3 python3.13 python3.12 python3.11) ""; do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done; \
{ [ -n "$$found" ] || { \
	echo "Slipway needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not ($$($(or $(PYTHON),python3) --version 2>&1))."; \
	echo "Debian 12 and newer: apt-get install -y python3 python3-venv; or name one: make up PYTHON=/path/to/python3.12"; \
	false; }; }
endef

define check-venv
{ $$found -c 'import venv, ensurepip' 2>/dev/null || { \
	echo "$$found has no venv module. Debian: apt-get install -y python3-venv; then run make again."; \
	false; }; }
endef

# uv is ten times faster; it does not read pip's configuration, so plain pip takes over where it fails. Byte code is
# written now, because the sandbox that opens uploads cannot keep its own, and would compile scikit-learn each time.
define install-lock
cmp -s $(1) .venv/installed-$(1) || { \
	echo "Installing $(1)" && \
	{ { test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV); } && \
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r $(1) || { \
	echo "uv could not; trying pip"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); }; } && \
	{ $(BIN)/python -m compileall -q -j 0 -x '/(tests?|locale|plotly)/' .venv/lib >/dev/null 2>&1 || true; } && \
	cp $(1) .venv/installed-$(1); }
endef
