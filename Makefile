# make run    the whole shop on http://127.0.0.1:8000, with its data in ./data
# make test   every check: format, lint, types, architecture, tests
# make test-simulation  200 simulated worlds, and known mistakes that the simulation must find
# make test-cluster  contract, interop and fault tests on the real servers, which it installs and stops
# make bench  what an order and a callback cost, beside their floors
PYTHON ?= python3
BIN := .venv/bin
.DELETE_ON_ERROR:
.PHONY: run test test-simulation test-cluster check unit browser bench format lock revision clean

run: .venv
	$(BIN)/makegood run

test: check browser
	$(BIN)/pytest -n 3 --dist worksteal

test-simulation: .venv
	$(BIN)/makegood simulate --seeds 200
	$(BIN)/pytest -n 2 -m simulation

MYSQLCLIENT_NEEDS := gcc libc6-dev libmariadb-dev pkg-config python3-dev
test-cluster: .venv
	@{ command -v mariadb_config && command -v gcc && command -v pkg-config && test -e \
	  "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"; } >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(MYSQLCLIENT_NEEDS); } || \
	  { echo "mysqlclient is compiled: sudo apt install $(MYSQLCLIENT_NEEDS)"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-cluster.lock
	@trap : INT TERM; $(BIN)/pytest -n 2 -m cluster; status=$$?; $(BIN)/python -m tests.cluster.servers; exit $$status

check: .venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports

unit: .venv
	$(BIN)/pytest tests/unit

# Makes sure that there is a Chromium for the browser tests.
browser:
	@tools/chromium >/dev/null

# Measures everything and writes docs/bench.md with its plots anew: half an hour on a quiet machine.
bench: .venv
	mkdir -p build/bench
	$(BIN)/makegood bench orders --output build/bench/orders.json
	$(BIN)/makegood bench orders --history 1000000 --output build/bench/history.json
	$(BIN)/makegood bench callbacks --output build/bench/callbacks.json
	$(BIN)/makegood bench plot build/bench/*.json --document docs/bench.md

format: .venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "makegood needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv: install it (on Debian: apt install python3-venv)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv

# Writes the lock files anew from pyproject.toml.
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11
lock: .venv
	$(BIN)/pip install --quiet uv
	$(LOCK) --group dev pyproject.toml -o requirements.lock
	$(LOCK) --extra cluster pyproject.toml -o requirements-cluster.lock

# Writes a migration from what changed in a service's tables: make revision SERVICE=orders MESSAGE="adds a column"
revision: .venv
	$(BIN)/python tools/revision.py $(SERVICE) "$(MESSAGE)"

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
