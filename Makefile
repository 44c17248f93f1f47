# Each target is what a person would type; the first one of a machine also installs.
PYTHON ?= python3
PORT ?= 8000
VENV = .venv
BIN = $(VENV)/bin
JAVASCRIPT = tests/clients/javascript
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
marked = $(shell grep -l 'mark.$(1)' tests/test_*.py)  # the rest need not be read

.PHONY: run test test-faults test-browser test-clients test-deploy install-all check audit bench screenshots

run: $(VENV)/.installed
	@$(BIN)/python manage.py serve --port $(PORT) $(ARGS)

# three, for many tests wait more than they work
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

test-faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m faults -n 3 $(or $(ARGS),$(call marked,faults))

test-browser: $(VENV)/.installed-browser
	$(BIN)/python -m pytest -m browser -n 2 $(or $(ARGS),$(call marked,browser))

test-clients: $(VENV)/.installed-clients
	$(BIN)/python -m pytest -m clients $(or $(ARGS),$(call marked,clients))

test-deploy: $(VENV)/.installed-deploy
	$(BIN)/python -m pytest -m deploy $(or $(ARGS),$(call marked,deploy))

# All that any of the tests needs.
install-all: $(VENV)/.installed-browser $(VENV)/.installed-clients $(VENV)/.installed-deploy

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive connectors_admin operations manage.py
	$(BIN)/python manage.py makemigrations --check --dry-run
	env DATA_DIR=$(VENV)/check SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
	    PUBLIC_URL=https://connectors.example ALLOWED_HOSTS=connectors.example \
	    SECURE_SSL_REDIRECT=true SECURE_HSTS_SUBDOMAINS=true TRUST_FORWARDED_HEADERS=true \
	    $(BIN)/python manage.py check --deploy --fail-level WARNING

audit: $(VENV)/.installed-audit
	$(BIN)/python -m tests.audit

# how fast it is, beside baselines in the same run; ARGS="hot writes" for some of it
bench: $(VENV)/.installed-bench
	@command -v wrk >/dev/null || { echo "wrk is missing. On Debian and Ubuntu: apt install wrk"; exit 1; }
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(VENV)/.installed-browser
	$(BIN)/python -m tests.screenshots docs/images

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.13"; exit 1; }
	@echo "Making the environment in $(VENV) (the first time only) ..."
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "Making a virtual environment failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(PIP) -e '.[postgres]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) -e '.[postgres,dev]'
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	@$(PIP) -e '.[postgres,dev,browser]'
	@touch $@

$(VENV)/.installed-deploy: $(VENV)/.installed-dev
	@$(PIP) -e '.[postgres,dev,deploy]'
	@touch $@

$(VENV)/.installed-audit: $(VENV)/.installed-dev
	@$(PIP) -e '.[postgres,dev,audit]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	@$(PIP) -e '.[postgres,dev,bench]'
	@touch $@

$(VENV)/.installed-clients: $(VENV)/.installed-dev $(JAVASCRIPT)/package.json
	@$(PIP) -e '.[postgres,dev,clients]'
	@command -v npm >/dev/null || { \
	    echo "The JavaScript client needs Node 18 or newer with npm. On Debian and Ubuntu: apt install nodejs npm"; exit 1; }
	@npm install --prefix $(JAVASCRIPT) --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
