# What a newcomer needs: `make demo`, `make test`. What a contributor needs: `make check`, `make coverage`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUESTION ?= What is airouter?
MANIFESTS := pyproject.toml $(wildcard plugins/*/pyproject.toml) $(wildcard examples/*/pyproject.toml)
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
ENGINE := plugins/airouter-llamacpp
EDITABLE := -e '.[async,cli,structured,testing]' -e '$(ENGINE)[embedded]' $(foreach plugin,$(filter-out $(ENGINE),$(PLUGINS)),-e $(plugin)) \
	$(foreach example,$(wildcard examples/*/pyproject.toml),-e $(dir $(example)))

ENGINES := .cache/engines

.PHONY: engines demo test check coverage format faults fuzz bench bench-engines soak clean help

help:
	@echo "make demo      set up, and ask a real model (QUESTION='capital of France?')"
	@echo "make test      set up, and run all tests"
	@echo "make check     set up, and run ruff, mypy --strict and import-linter"
	@echo "make engines   fetch real llama.cpp programs, Ollama and Python 3.14, for the tests that need them"
	@echo "make coverage  run the tests of the core with branch coverage"
	@echo "make faults    print what each provider makes of each network fault"
	@echo "make bench     measure airouter beside the floor and its peers"
	@echo "make soak      make 100,000 calls and streams, faults among them, and watch memory"
	@echo "make fuzz      feed the parsers garbage for ten minutes"

demo: $(VENV)/demo
	@echo
	@echo "> airouter run -p llama-cpp -m airouter-toy '$(QUESTION)'"
	@AIROUTER_MODELS_DIR=models $(BIN)/airouter run -p llama-cpp -m airouter-toy -o temperature=0 -- '$(QUESTION)'

test: $(VENV)/development
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Real llama.cpp programs, a real Ollama server and Python 3.14, for the tests that are skipped without them (Debian, a few
# minutes).
engines:
	tools/engines/llamacpp.sh $(ENGINES)/llamacpp
	tools/engines/ollama.sh $(ENGINES)/ollama $(ENGINES)/llamacpp
	tools/engines/python.sh $(ENGINES)/python

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

bench-engines: $(VENV)/development
	$(BIN)/python -m benchmarks.engines

soak: $(VENV)/development
	$(BIN)/python -m benchmarks.soak

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

$(VENV)/development: $(BIN)/python $(MANIFESTS)
	$(BIN)/python -m pip install --quiet $(EDITABLE) --group dev
	@touch $@ $(VENV)/demo
