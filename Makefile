# Everything needs only Python 3.11 and make; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := protos libs/kernel libs/oncall libs/playbook libs/chassis libs/client libs/standalone libs/watchdog libs/runner libs/testkit \
	services/detection services/triage services/response services/communication services/review services/edge
MANIFESTS := $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
PROTOS := $(shell find protos/tocsin -name '*.proto')
HOME_FOLDER ?= .tocsin
PORT ?= 8080
TESTS ?=
RUN ?=
# Each process would compile what it imports, where Python is told not to write that down. All cores do it here, once.
compile = $(BIN)/python -m compileall -qq -j 0 $(1) || true

.DEFAULT_GOAL := help
.PHONY: help setup run test console-tests check bench faults lock console clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1 — /'

setup: $(VENV)/.installed console ## make .venv with everything in it, and build the console

$(VENV)/.tools: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r requirements.lock
	$(call compile,$(VENV)/lib)
	@touch $@

$(VENV)/.installed: $(VENV)/.tools $(MANIFESTS) $(PROTOS) protos/build_protos.py
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(DISTRIBUTIONS))
	$(call compile,protos/gen $(wildcard libs/*/src services/*/src))
	@touch $@

console: $(VENV)/.installed
	@$(BIN)/python services/edge/console/build_console.py

run: setup ## start the whole platform with the demo on this machine (PORT=8080, HOME_FOLDER=.tocsin)
	$(BIN)/tocsin up --home $(HOME_FOLDER) --port $(PORT) --demo

# The checks take what processor the suite leaves; what they say comes in one piece when they are done. Either can fail the whole.
# Its workers share the tests that they have compiled (an empty PYTHONDONTWRITEBYTECODE is none).
test: setup ## run all checks and tests
	@said=$$(mktemp); trap 'rm -f "$$said"' EXIT; \
	( nice $(MAKE) --no-print-directory check console-tests >"$$said" 2>&1; result=$$?; cat "$$said"; exit $$result ) & checks=$$!; \
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadfile $(TESTS); suite=$$?; \
	wait $$checks && exit $$suite

console-tests: $(VENV)/.installed
	$(BIN)/python services/edge/console/build_console.py --test

check: $(VENV)/.installed ## lint, types, layers, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard libs/*/src services/*/src)
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint protos/gen/tocsin.binpb --config protos/buf.yaml --path tocsin
	$(BIN)/buf breaking protos/gen/tocsin.binpb --against protos/released.binpb --config protos/buf.yaml --path tocsin

bench: setup ## measure, and print figures
	$(BIN)/python -m tocsin_testkit.bench

faults: setup ## kill things while alerts come in, and audit what became of them (RUN=power-cut, random-kills, wrong-clock, …)
	$(BIN)/python -m tocsin_testkit.faults $(if $(RUN),--only $(RUN))

# What the distributions and the tools depend on, without what is made here.
define DEPENDENCIES
import sys, tomllib
for path in sys.argv[1:]:
    found = tomllib.load(open(path, "rb"))
    lists = [found["project"].get("dependencies", []), *found.get("dependency-groups", {}).values(), found.get("build-system", {}).get("requires", [])]
    print(*(name for names in lists for name in names if not name.startswith("tocsin-")), sep="\n")
endef
export DEPENDENCIES

lock: ## choose the newest versions that fit and pin them in requirements.lock
	$(BIN)/python -c "$$DEPENDENCIES" pyproject.toml $(MANIFESTS) | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock -

clean: ## remove what was built here; the data of `make run` stays
	rm -rf $(VENV) protos/gen services/edge/console/node_modules services/edge/console/dist
