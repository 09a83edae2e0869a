# Every target makes what it needs; a second call is quick. `make` alone prints this list.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
WIDGET_IN := $(shell find widget -path widget/node_modules -prune -o -type f -print)
CONSOLE_IN := $(shell find console -path console/node_modules -prune -o -type f -print) $(WIDGET_IN)

.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench bench-full build types lock clean tools chromium redis

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

demo: .make/run build ## the whole service with a demo organisation; ARGS="--port 8765"
	@$(BIN)/chatbot demo $(ARGS)

test: .make/dev build chromium redis ## every test; ARGS="-k name" for some
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)
	npm --prefix widget test
	npm --prefix widget run size
	npm --prefix console test
	npm --prefix console run size

check: .make/dev .make/npm-widget .make/npm-console .make/wire.gen.ts ## formatting, lint, types, import directions, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports
	npm --prefix widget run check
	npm --prefix console run check
	@cmp -s .make/wire.gen.ts widget/src/wire.gen.ts || { echo "widget/src/wire.gen.ts is behind the API: run 'make types'"; exit 1; }

fix: .make/dev .make/npm-widget ## format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npm --prefix widget run fix

bench: .make/dev build ## every benchmark, short, beside its peer
	@for each in search ingest answer streaming siege signals catchup writers connections slow_client torture size; do $(BIN)/python -m benchmarks.$$each $(ARGS) || exit 1; done

bench-full: .make/dev ## search among a million passages, built once and kept in .bench (10 GB, half an hour)
	$(BIN)/python -m benchmarks.search --full $(ARGS)

build: .make/widget .make/console ## the front ends, into chatbot/assets

types: .make/wire.gen.ts ## widget/src/wire.gen.ts from the service's own schema
	@cp .make/wire.gen.ts widget/src/wire.gen.ts

.make/wire.gen.ts: .make/dev .make/npm-widget $(shell find chatbot -name '*.py')
	@$(BIN)/chatbot openapi > .make/openapi.json
	@widget/node_modules/.bin/openapi-typescript .make/openapi.json --output $@ >/dev/null

lock: .make/dev ## the locks, anew; needs the package index
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --group dev pyproject.toml --output-file requirements-dev.lock

clean: ## everything that was made; not the data in .chatbot
	rm -rf .venv .make chatbot/assets widget/node_modules console/node_modules

tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Set PYTHON=/path/to/python3.11"; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null || \
		{ echo "Node 20.19 or newer is needed to build the front ends: https://nodejs.org"; exit 1; }

.make/venv: | tools
	@mkdir -p .make
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@touch $@

.make/run: requirements.lock pyproject.toml .make/venv
	@echo "installing Python packages (the first time this downloads about 250 MB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.make/dev: requirements-dev.lock .make/run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.make/npm-%: %/package-lock.json | tools
	@mkdir -p .make
	@npm ci --prefix $* --no-audit --no-fund --loglevel error
	@touch $@

.make/widget: .make/npm-widget $(WIDGET_IN)
	@npm run --silent --prefix widget build
	@touch $@

.make/console: .make/npm-console .make/npm-widget $(CONSOLE_IN)
	@npm run --silent --prefix console build
	@touch $@

# The browser test needs a Chromium. CI must have one; elsewhere the test says that it was left out.
chromium:
	@if [ -n "$$CI" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "CI needs a Chromium: install Debian's package chromium"; exit 1; fi; fi

# The tests of several nodes need a Redis. As above.
redis:
	@if [ -n "$$CI" ] && ! command -v redis-server >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
		else echo "CI needs a Redis: install Debian's package redis-server"; exit 1; fi; fi
