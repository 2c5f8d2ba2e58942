# Everything here is what CI calls too. `make demo` and `make test` do all the set-up they need.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test lint images bench killmatrix golden clean

demo: $(READY)  ## install, and play the data-centre fire on the best target this machine offers
	$(BIN)/chaos run zone-fire

test: $(READY)  ## every test this machine can run; says which it left out and why
	$(BIN)/python -m pytest

lint: $(READY)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

images: $(READY)  ## the stack's and the harness's images, and the base where no registry answers
	$(BIN)/python -m chaos.targets.images

bench: $(READY)  ## every benchmark, written to docs/benchmarks.md; one: .venv/bin/python -m benchmarks NAME
	$(BIN)/python -m benchmarks

killmatrix: $(READY)  ## kill everybody at every step boundary of every fault and look what is left; long, can be resumed
	$(BIN)/python -m benchmarks.killmatrix

golden: $(READY)  ## renew the golden journals' expected findings and reports
	$(BIN)/python -m tests.golden.make --update

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

# Debian ships Python without venv: then virtualenv comes from PyPI, into a folder of its own.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("chaos needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …")'
	@$(PYTHON) -m pip --version >/dev/null || { echo "chaos needs pip for $(PYTHON)" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv .venv || { \
	  $(PYTHON) -m pip install --quiet --target .venv/bootstrap virtualenv && \
	  PYTHONPATH=.venv/bootstrap $(PYTHON) -m virtualenv --quiet .venv; }
	$(BIN)/python -m pip install --quiet --editable '.[stack,dev]'
	@touch $@
