# What a newcomer needs: `make demo`, `make test`. What a contributor needs: `make check`, `make coverage`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUESTION ?= What is airouter?
ARGS ?=
ENGINE := plugins/airouter-llamacpp
# Every distribution in these folders is installed, with the dependency group `test` where it has one.
PARTS := $(wildcard plugins/*/pyproject.toml) $(wildcard examples/*/pyproject.toml)
EDITABLE := -e '.[async,cli,testing]' $(patsubst %/pyproject.toml,-e %,$(PARTS)) \
	$(foreach part,$(shell grep -ls '^\[dependency-groups\]' $(PARTS)),--group $(part):test)

ENGINES := .cache/engines

.PHONY: engines demo test check release site coverage format faults fuzz bench bench-engines bench-gateway clients soak clean help

help:
	@echo "make demo      set up, and ask a real model (QUESTION='capital of France?')"
	@echo "make test      set up, and run all tests (ARGS='-k chat')"
	@echo "make check     set up, and run ruff, mypy --strict and import-linter"
	@echo "make engines   fetch real llama.cpp programs, Ollama, PostgreSQL and Python 3.14, for the tests that need them"
	@echo "make coverage  run the tests of the core with branch coverage"
	@echo "make faults    print what each provider makes of each network fault"
	@echo "make bench     measure airouter beside the floor and its peers"
	@echo "make bench-gateway  measure airouter serve beside a bare proxy and LiteLLM's, and its soak (ARGS='--calls 100000')"
	@echo "make clients   install the clients that people have, and drive each in front of airouter serve (ARGS='--only node')"
	@echo "make soak      make 100,000 calls and streams, faults among them, and watch memory"
	@echo "make release   build all distributions into dist/, try them in fresh environments, write checksums and an SBOM"
	@echo "make site      build the documentation as a site, into site/"
	@echo "make fuzz      feed the parsers garbage for ten minutes"

demo: $(VENV)/demo
	@echo
	@echo "> airouter run -p llama-cpp -m airouter-toy '$(QUESTION)'"
	@AIROUTER_MODELS_DIR=models $(BIN)/airouter run -p llama-cpp -m airouter-toy -o temperature=0 -- '$(QUESTION)'

test: $(VENV)/development
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Real programs for the tests that are skipped without them (Debian, a few minutes). Each goes on where an interrupted call
# stopped, and one that cannot be had does not keep the others away.
engines:
	@failed=0; \
	tools/engines/llamacpp.sh $(ENGINES)/llamacpp || failed=1; \
	tools/engines/python.sh $(ENGINES)/python || failed=1; \
	tools/engines/postgres.sh $(ENGINES)/postgres || failed=1; \
	tools/engines/ollama.sh $(ENGINES)/ollama $(ENGINES)/llamacpp || failed=1; \
	exit $$failed

coverage: $(VENV)/development
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q tests
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=95

format: $(VENV)/development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

faults: $(VENV)/development
	$(BIN)/python -m airouter_core.testing.fault_table

fuzz: $(VENV)/development
	$(BIN)/python -m pytest -q tests/fuzz --hypothesis-profile=fuzz

# Peers are installed into environments of their own: make bench PEERS="openai litellm"
PEERS ?= openai

bench: $(VENV)/development
	$(BIN)/python -m benchmarks --peers "$(PEERS)"

bench-gateway: $(VENV)/development
	$(BIN)/python -m benchmarks.gateway $(ARGS)

clients: $(VENV)/development
	$(BIN)/python -m tools.clients --report docs/clients.md $(ARGS)

bench-engines: $(VENV)/development
	$(BIN)/python -m benchmarks.engines

soak: $(VENV)/development
	$(BIN)/python -m benchmarks.soak

# The versions move together: $(BIN)/python tools/release.py version 0.2.0
release: $(VENV)/development
	$(BIN)/python -m pip install --quiet --group release
	$(BIN)/python tools/release.py build

site: $(VENV)/development
	$(BIN)/python -m pip install --quiet --group site
	$(BIN)/python tools/site.py

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "airouter needs Python 3.11 or later; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/demo: $(BIN)/python pyproject.toml $(ENGINE)/pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[cli]' -e '$(ENGINE)[embedded]'
	@touch $@

$(VENV)/development: $(BIN)/python pyproject.toml $(PARTS)
	$(BIN)/python -m pip install --quiet $(EDITABLE) --group dev
	@touch $@ $(VENV)/demo
