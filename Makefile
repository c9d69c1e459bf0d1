# SPDX-License-Identifier: Apache-2.0
# Every target does its set-up in .venv. `make quick` needs Python 3.11 or newer, the others g++, make and perl as well.
#
# The tiers of the tests, by the marks of pyproject.toml:
#   make quick   tests without a mark: under a minute, no compiler, no simulator, no PyTorch
#   make test    all but `long`: every check of the project, what continuous integration runs
#   make long    `long`, and the programs that go over everything there is; hours
# One test: .venv/bin/python -m pytest tests/test_api.py -k NAME
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile

.PHONY: bench corpus cycles demo docs formal fuzz long long-tests networks plans python quick test tools

demo: .venv/installed-demo
	$(BIN)/bitwright demo

quick: .venv/installed-quick
	$(BIN)/ruff check .
	$(PYTEST) -m 'not (slow or tools or long)'

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m 'not long'

long: long-tests corpus networks cycles fuzz formal plans

long-tests: .venv/installed-test
	$(PYTEST) -m long

bench: .venv/installed-test
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/compile.py

# The guide and the API reference, in site/; fails at a broken link.
docs: .venv/installed-docs
	$(BIN)/mkdocs build --strict

# Every network of ../shared/models on the compiled engines and through the linters; half an hour on two cores.
corpus: .venv/installed-test
	$(BIN)/python -m benchmarks.corpus

# Networks of MLPerf Tiny size at three targets each, whole, in Verilator; half an hour on two cores.
networks: .venv/installed-test
	$(BIN)/python benchmarks/networks.py

# The solver of plans against FINN's rule, ten networks at three targets each; writes benchmarks/plans.md.
plans: .venv/installed-test
	$(BIN)/python benchmarks/plans.py

# The clocks of the plan against Verilator over hundreds of random points of every kernel; ten minutes on two cores.
cycles: .venv/installed-test
	$(BIN)/python -m benchmarks.cycles

fuzz: .venv/installed-test
	$(BIN)/python -m tests.fuzz --cases 20000 --seed 0

# Every proof of the module library at every size, and every mutant; some minutes on two cores.
formal: .venv/installed-test
	$(BIN)/python -m formal

.venv/installed-demo: pyproject.toml constraints.txt | tools
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[rtl]'
	touch $@

.venv/installed-quick: pyproject.toml constraints.txt | python
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[test]'
	touch $@

.venv/installed-docs: pyproject.toml constraints.txt | python
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[docs]'
	touch $@

.venv/installed-test: pyproject.toml constraints.txt | tools
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[cluster,dev,docs,explore,rtl,synth,torch]'
	touch .venv/installed-demo .venv/installed-docs .venv/installed-quick $@

# What no Python package brings. Every missing program is named, then the one line that installs them all.
tools: PROGRAMS := g++ make perl
python: PROGRAMS :=
tools python:
	@missing=; \
	for program in $(PROGRAMS); do command -v $$program > /dev/null || missing="$$missing $$program"; done; \
	$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null \
		|| missing="$$missing python3(3.11-or-newer,with-venv)"; \
	if [ -n "$$missing" ]; then \
		echo "missing:$$missing" >&2; \
		echo "install with: apt-get install -y g++ make perl python3 python3-venv" >&2; \
		echo "(another interpreter: make PYTHON=python3.12 ...)" >&2; \
		exit 1; \
	fi
