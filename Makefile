# Two commands for a new user: `make demo` and `make test`. Both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 3000

.PHONY: help install demo services faults test test-laws test-heavy ui lint wheel sbom audit-dependencies lock docs docs-site screenshots clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /	/' | expand -t 20

install: $(VENV)/.installed ## Install into .venv, hash-checked, and compile the kernels once

$(VENV)/.installed: requirements.lock pyproject.toml setup.py
	@echo "Installing into $(VENV) (about a minute, once)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; set PYTHON=...") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/torghut warm
	@touch $@

demo: install ## Evaluate the example candidates on real data, through their gate reports
	@$(BIN)/torghut demo

test: install ## Run the test suite
	@$(BIN)/python -m pytest --cov=torghut_assets.domain --cov-branch --cov-report=term:skip-covered --cov-fail-under=95 -n 2

test-laws: install ## Run what has a published number of cases with all of them: laws, mutations, calibration
	@TORGHUT_ALL_CASES=1 $(BIN)/python -m pytest -m law -n 2 --durations=10

test-heavy: install ## Run what takes minutes or hours: browser, guides, workers, crashes
	@$(BIN)/python -m pytest -m heavy --durations=10

faults: install ## Kill, fill disks, flip bits, restart databases, and print the table (SEED=, POINTS=)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(POINTS),--points $(POINTS))

services: ## Debian: install what the tests of team mode run for real (as root)
	@set -- ; \
	[ -n "$$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || set -- "$$@" postgresql; \
	command -v redis-server >/dev/null || set -- "$$@" redis-server; \
	[ -x /usr/sbin/nginx ] || set -- "$$@" nginx-light; \
	command -v promtool >/dev/null || set -- "$$@" prometheus; \
	command -v swift-proxy-server >/dev/null || set -- "$$@" swift-proxy swift-account swift-container swift-object; \
	command -v chromium >/dev/null || set -- "$$@" chromium; \
	if [ $$# -gt 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@" >/dev/null; fi

ui: install ## Open the Dagster UI on this home (PORT=3000)
	@eval "$$($(BIN)/torghut env)" && PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/dagster dev --port $(PORT)

lint: install ## Lint, types on the built wheel, import contracts, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf build && mkdir -p build/wheel
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w build/wheel .
	@$(BIN)/python -m zipfile -e build/wheel/*.whl build/installed
	cd build/installed && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p torghut_assets
	cd build/installed && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../.importlinter

wheel: install ## Build the wheel into dist/, the same bytes wherever and whenever
	@rm -rf build
	@SOURCE_DATE_EPOCH=315532800 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .

sbom: install ## Write dist/sbom.cdx.json: every pinned package, CycloneDX
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --validate --of JSON -o dist/sbom.cdx.json

audit-dependencies: install ## Known vulnerabilities of the pinned packages; 3 if nobody could be asked
	@$(BIN)/python .ci/audit_dependencies.py

docs: install ## Write the generated pages
	@$(BIN)/python docs/generate.py

docs-site: install ## Build the documentation as a site into build/site, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml
	@echo "build/site: $$(find build/site -name '*.html' | wc -l) pages"

screenshots: install ## Take the pictures in docs/screenshots from the real user interface (needs chromium)
	@$(BIN)/python docs/screenshots.py

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --extra dev --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

clean: ## Remove the installation and build files (never the home)
	@rm -rf $(VENV) build dist *.egg-info
