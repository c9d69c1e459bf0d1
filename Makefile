# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` do all their set-up in .venv; they need g++, make, perl and Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: bench corpus cycles demo formal fuzz networks plans test tools

demo: .venv/installed-demo
	$(BIN)/bitwright demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile

bench: .venv/installed-test
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/loading.py

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

.venv/installed-test: pyproject.toml constraints.txt | tools
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[dev,explore,rtl,synth,torch]'
	touch .venv/installed-demo $@

# What no Python package brings. Every missing program is named, then the one line that installs them all.
tools:
	@missing=; \
	for program in g++ make perl; do command -v $$program > /dev/null || missing="$$missing $$program"; done; \
	$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null \
		|| missing="$$missing python3(3.11-or-newer,with-venv)"; \
	if [ -n "$$missing" ]; then \
		echo "missing:$$missing" >&2; \
		echo "install with: apt-get install -y g++ make perl python3 python3-venv" >&2; \
		echo "(another interpreter: make PYTHON=python3.12 ...)" >&2; \
		exit 1; \
	fi
