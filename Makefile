# Two commands: `make tour` (the main job) and `make test`; on a machine with a GPU `make gpu`. Each sets up what it
# needs; PYTHON=... names another Python.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= tour

check_python = @$(PYTHON) -c 'import sys; sys.exit("refwarp needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another with make PYTHON=...") if sys.version_info < (3, 11) else 0'

.PHONY: tour test lint format book test-book test-peers test-lowest gpu new-operation clean

tour: $(VENV)/.installed-data
	$(BIN)/refwarp tour --out $(OUT)

test: lint
	$(BIN)/pytest -n 2 -m "not peers and not book"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The book, as a site that needs no network and no server. Warnings and dead links are errors.
BOOK = site
book: $(VENV)/.installed-book
	$(BIN)/python -m sphinx -E -W -q -c docs . $(BOOK)
	@echo "The book is in $(BOOK)/index.html"

# Its tests; those in a browser run where there is a Chromium.
test-book: $(VENV)/.installed-test $(VENV)/.installed-book
	$(BIN)/pytest -m book

test-peers: $(VENV)/.installed-test $(VENV)/.installed-torch
	$(BIN)/pytest -m peers

# The whole suite with the oldest versions that pyproject.toml admits, in an environment of its own.
test-lowest: $(VENV)-lowest/.installed
	$(VENV)-lowest/bin/python -m pytest -n 2 -m "not peers and not book"

# All that only a GPU can tell (docs/cuda.md). Without one it ends at once, with a sentence. INSTALL=0 runs in the
# environment of PYTHON as it is; CUDA=12 installs for a driver that has no CUDA 13 yet.
INSTALL = 1
CUDA    = 13
GPU_OUT = gpu
ifeq ($(INSTALL),0)
gpu:
	$(check_python)
	$(PYTHON) .ci/gpu.py $(GPU_OUT)
else
gpu: $(VENV)/.installed-test $(VENV)/.installed-data $(VENV)/.installed-cuda$(CUDA) $(VENV)/.installed-torch
	$(BIN)/python .ci/gpu.py $(GPU_OUT)
endif

# The skeleton of a new grid (CONTRIBUTING.md): make new-operation NAME=wave_grid
new-operation: $(VENV)/.installed-test
	$(BIN)/python .ci/new_operation.py "$(NAME)"

$(BIN)/pip:
	$(check_python)
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras, renewed when pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable ".[$*]"
	@touch $@

$(VENV)/.installed-torch: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet torch==2.13.0
	@touch $@

$(VENV)-lowest/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct --editable ".[test,data]"
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest $(OUT) $(GPU_OUT) $(BOOK) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
