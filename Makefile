# Needs nothing but python3 (3.11.4 or later), make and a package index.
#
#   make quickstart   train on the digits inside scikit-learn, test, print a table      (offline once installed)
#   make test         the default tests
#   make install      only the environment .venv, from requirements.lock
#   make lint         formatting, style and types
#   make house        rooms, sizes and names, as they are and as they should be
#   make test-slow    trainings to a stated accuracy on the real data (ZOO_DATA or ../shared/data)
#   make test-wheel   the package as others install it: built, put into an empty environment, run there
#   make test-slurm   jobs on a throw-away SLURM of two nodes; installs it (as root, Debian or Ubuntu)
#   make test-oldest  the contract tests with the oldest versions that pyproject.toml allows; make test-newest: the newest
#   make lock         resolve the newest allowed versions into requirements.lock

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONTRACTS := tests/repo/test_contract.py tests/training/test_lightning_compat.py

.PHONY: quickstart test test-slow test-wheel test-slurm test-oldest test-newest install lint house lock clean

quickstart: install
	$(BIN)/python cli.py fit -c configs/recipes/quickstart.yaml

test: install
	ZOO_LOCKED=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not wheel and not slurm"

test-slow: install
	$(BIN)/python -m pytest -m slow

test-wheel: install
	$(BIN)/python -m pytest -m wheel

test-slurm: install
	scripts/slurm/install.sh
	$(BIN)/python -m pytest -n 2 -m slurm

test-oldest: .venv-oldest/.installed
	ZOO_OLDEST=1 .venv-oldest/bin/python -m pytest -m contract $(CONTRACTS)

test-newest: .venv-newest/.installed
	.venv-newest/bin/python -m pytest -m contract $(CONTRACTS)

.venv-oldest/.installed: RESOLUTION := lowest-direct
.venv-newest/.installed: RESOLUTION := highest

# folders of their own, with what the package itself asks for; what asks in turn for others gets the newest
.venv-%/.installed: pyproject.toml $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --resolution $(RESOLUTION) --all-extras \
	  --python $(@D)/bin/python pyproject.toml -o $(@D)/versions.txt
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python -r $(@D)/versions.txt pytest hypothesis
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

house:
	@$(PYTHON) scripts/house.py

install: $(STAMP)

# --no-deps: the lock is complete, and every file must have one of its hashes
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || { echo "error: version of $(PYTHON): expected 3.11.4 or later, found $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

lock: install
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
	  --group dev --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build *.egg-info .mypy_cache .ruff_cache .pytest_cache
