# Every target sets up what it needs, narrates on stderr, prints its verdict last and exits 1 when it falls short.
#   ARGS="…"   options handed on to the command        JSON=FILE   figures as JSON into FILE
#   PYTHON=…   the Python to build .venv with (3.11 or newer; found by itself otherwise)

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo test lint lock proof faults conformance bench fuzz clean
export PYTHON JSON

PYTHON_SCRIPT := sh .setup/python.sh
SETUP := $(PYTHON_SCRIPT) install.py
RUN := sh .setup/run.sh
FIGURES = $(if $(JSON),--json "$(JSON)")

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: ## Install everything into .venv, leaving .venv/bin/isthmus
	@$(SETUP)

setup-tests: ## The same, with the servers and drivers that the tests run against
	@$(SETUP) --with-tests

demo: setup ## Run the whole product on this machine, nothing configured (headless without a terminal)
	@sh .setup/demo.sh $(ARGS)

test: setup-tests ## Lint, types, import contracts and every test; the verdict comes last
	@$(RUN) .venv/bin/python .setup/stages.py "make test" lint format types setup-types imports tests $(FIGURES) -- $(ARGS)

lint: setup ## Only the static checks of make test
	@$(RUN) .venv/bin/python .setup/stages.py "make lint" lint format types setup-types imports $(FIGURES)

proof: setup-tests ## Show the product's promises at work
	@$(RUN) .venv/bin/python -m tests.proof $(FIGURES) $(ARGS)

faults: setup-tests ## Everything that goes wrong at Salesforce and at an ERP, over real sockets, with kills in the midst
	@$(RUN) .venv/bin/python -m tests.faults $(FIGURES) $(ARGS)

bench: setup-tests ## Figures of speed and size, each beside a bare reference of the same run
	@$(RUN) .venv/bin/python -m tests.benchmarks $(FIGURES) $(ARGS)

fuzz: setup-tests ## Rubbish for the IDoc parsers and dictionaries, N=1000000 of it; goes on from what it kept
	@$(RUN) .venv/bin/python -m tests.fuzz $(if $(N),--runs $(N)) $(FIGURES) $(ARGS)

conformance: setup-tests ## Clients written by others, unchanged, against the sandbox org
	@$(RUN) .venv/bin/python -m tests.conformance $(FIGURES) $(ARGS)

lock: ## Resolve requirements.lock anew from pyproject.toml
	@$(PYTHON_SCRIPT) lock.py

clean: ## Remove everything that can be made again, .venv included
	rm -rf .venv .local .cache .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find agent adapters tui tests .setup -name __pycache__ -type d -prune -exec rm -rf {} +
