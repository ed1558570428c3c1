# Two commands: `make tour` (the main job) and `make test`; on a machine with a GPU `make gpu`. Each sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= tour

.PHONY: tour test lint test-peers gpu clean

tour: $(VENV)/.installed-data
	$(BIN)/refwarp tour --out $(OUT)

test: lint
	$(BIN)/pytest -n 2 -m "not peers"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-peers: $(VENV)/.installed-test $(VENV)/.installed-torch
	$(BIN)/pytest -m peers

# All that only a GPU can tell (docs/cuda.md). Without one it ends at once, with a sentence.
gpu: export NUMBA_ENABLE_CUDASIM = 0
gpu: $(VENV)/.installed-test $(VENV)/.installed-cuda $(VENV)/.installed-torch
	$(BIN)/refwarp verify refwarp:cuda --require faithful
	$(BIN)/pytest tests/cuda
	$(BIN)/refwarp train --epochs 2 --device cuda
	$(BIN)/python benchmarks/grid_sample_cuda.py

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("refwarp needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another with make PYTHON=...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras, renewed when pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable ".[$*]"
	@touch $@

$(VENV)/.installed-torch: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet torch==2.13.0
	@touch $@

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
