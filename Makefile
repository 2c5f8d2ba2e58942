# Everything here is what CI calls too. `make demo` and `make test` do all the set-up they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
FUZZ_SECONDS ?= 3600
RUN ?= bash

.PHONY: demo test lint docs coverage images bench killmatrix golden generate pictures container clean

demo: $(READY)  ## install, and play the data-centre fire on the best target this machine offers
	$(BIN)/chaos run zone-fire

test: $(READY)  ## every test this machine can run; says which it left out and why
	$(BIN)/python -m tests.everything

lint: $(READY)  ## style, types, layers; `.venv/bin/ruff format .` lays the code out
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/docs  ## the documentation's site, in site/; a broken link or anchor is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

coverage: $(READY)  ## what the quick tests reach (no kernel, no engine), by file; the figure is shown, not judged
	$(BIN)/coverage run -m pytest -q tests/unit tests/golden
	$(BIN)/coverage report

images: $(READY)  ## the stack's and the harness's images, and the base where no registry answers
	$(BIN)/python -m chaos.targets.docker.images

bench: $(READY)  ## every benchmark, written to docs/benchmarks.md; one: .venv/bin/python -m benchmarks NAME
	$(BIN)/python -m benchmarks

killmatrix: $(READY)  ## kill everybody at every step boundary of every fault and look what is left; long, can be resumed
	$(BIN)/python -m benchmarks.killmatrix

fuzz: $(VENV)/fuzz  ## odd input for every parser and for the HTTP APIs, an hour (FUZZ_SECONDS=3600); findings go to fuzz/
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

golden: $(READY)  ## renew the golden journals' expected findings and reports
	$(BIN)/python -m tests.golden.make --update

generate: $(READY)  ## write every page and schema that is made from the code (docs/reference); read the diff
	$(BIN)/python -m tests.reference --update

pictures: $(READY)  ## renew docs/pictures from a recorded run: the report and the live view
	$(BIN)/python -m tests.pictures

# A container of the engine with its socket and this folder, which has an environment of its own: what is started there
# stands beside it. pip's settings are handed on.
container:  ## macOS, Windows: a shell beside the Docker engine; RUN='make demo' runs that instead
	printf 'FROM %s\nRUN apt-get update && apt-get install -y --no-install-recommends make python3-pip docker.io docker-compose\n' \
	  "$$(services/images/base)" | docker build --quiet --tag chaos-harness/shell -
	docker run --rm --interactive $$(test -t 0 && echo --tty) --network host --workdir "$(CURDIR)" \
	  --volume /var/run/docker.sock:/var/run/docker.sock --volume "$(CURDIR):$(CURDIR)" --env VENV=.venv-container \
	  --env "PATH=$(CURDIR)/.venv-container/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
	  --env PIP_INDEX_URL --env PIP_CERT $(CONTAINER) chaos-harness/shell $(RUN)

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage site

# Debian ships Python without venv: then virtualenv comes from PyPI, into a folder of its own.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("chaos needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …")'
	@$(PYTHON) -m pip --version >/dev/null || { echo "chaos needs pip for $(PYTHON)" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) || { \
	  $(PYTHON) -m pip install --quiet --target $(VENV)/bootstrap virtualenv && \
	  PYTHONPATH=$(VENV)/bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }
	$(BIN)/python -m pip install --quiet --editable '.[stack,dev]'
	@touch $@

$(VENV)/docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(VENV)/fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	@touch $@
