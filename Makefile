# What a person types. Each target says what it does in `make help`; the work is in the tools it calls.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := train,convert,eval,data,datatrove,dev
# Arguments for every pip call, e.g. make install PIP_FLAGS="--index-url …" for a mirror or for CPU-only wheels of torch.
PIP_FLAGS ?=
# Interpreters to try, in this order; make install PYTHON=/path/to/python3.12 tries that one alone.
PYTHON ?= python3.11 python3.12 python3
# Tests at a time. Several of them start ranks of their own, so more than the number of cores is slower.
WORKERS ?= 2

TORCH := $(shell sed -n '/^torch==/p' constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS) -c constraints.txt
# One thread for each process: ranks and test workers already take all cores, and a fixed order of sums keeps losses identical.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
SHELL_SCRIPTS = $(shell git ls-files --cached --others --exclude-standard -- '*.sh' '*.sbatch' .ci/run)

.DEFAULT_GOAL := help
.PHONY: help install quickstart demo test test-all test-gpu test-slurm bench bench-gpu check format clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## make .venv with all that the commands and the tests need

$(VENV)/pyvenv.cfg:
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	    echo "make install: none of $(PYTHON) is Python 3.11 or 3.12; install one, or name it: make install PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "$(VENV): made with $$("$$found" --version) ($$(command -v "$$found"))"; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "make install: $$found cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(STAMP): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "$(VENV): installing $(TORCH)"
	@$(PIP) $(TORCH)
	@echo "$(VENV): installing megatron-mathcoder[$(EXTRAS)]"
	@$(PIP) --editable '.[$(EXTRAS)]'
	@$(BIN)/python -m pip check
	@touch $@

quickstart: install ## the main job on this CPU: raw text to a trained, exported, generating model
	@bash launch/quickstart.sh

demo: install ## word problems: a model that has its code run beside one that calculates in words
	@bash launch/demo.sh

test: install ## the tests, without the slow ones
	$(PYTEST)

test-all: install ## every test this machine can run
	$(PYTEST) -m ""

test-gpu: install ## on a machine with a GPU: the tiny recipe's losses there follow the CPU's
	$(BIN)/python -m tests.gpu.follow_cpu

test-slurm: install ## the scenarios on a real two-node Slurm, which it starts and stops (root; Debian's slurmctld slurmd munge)
	bash tests/launch/run_scenarios.sh

bench: install ## the measurements, on an idle machine; each says its numbers, and those below their bar are named at the end
	@$(PIP) --editable '.[$(EXTRAS),bench]'
	@missed=; for script in tests/benchmarks/bench_*.py; do \
	    echo "$$script"; $(BIN)/python "$$script" || missed="$$missed $$script"; \
	done; \
	if [ -n "$$missed" ]; then echo "make bench: below a bar, or broken:$$missed" >&2; exit 1; fi

bench-gpu: install ## on a machine with a GPU: kernels and models beside their peers, in under eight minutes (docs/performance.md)
	$(BIN)/python tests/benchmarks/bench_gpu.py

check: install ## lint, format, types, import floors, shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck $(SHELL_SCRIPTS)

format: install ## apply the formatter and the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) build ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
