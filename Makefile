# Headway. `make run` is all it takes; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run dev demo test bench lock screenshots clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Start the site; settings come from the environment, for example PORT=9000 make run
	@scripts/venv.sh requirements.txt
	@exec .venv/bin/gunicorn

dev: ## Start the site, restart it when Python changes, reload open pages when templates or assets do
	@scripts/venv.sh requirements.txt
	@HEADWAY_DEV=on exec .venv/bin/gunicorn

demo: ## Start the site with a feeder beside it that does real work and reports it
	@scripts/venv.sh requirements.txt
	@exec .venv/bin/python scripts/demo.py

test: ## Get what the tests need, check style and types, run every test; ARGS='-k name' runs some
	@scripts/tools.sh ahead & scripts/venv.sh requirements.txt requirements-dev.txt; status=$$?; wait; exit $$status
	@scripts/tools.sh
	@scripts/check.sh $(ARGS)

bench: ## Measure what is promised; ARGS='polls ingest' measures some
	@scripts/venv.sh requirements.txt requirements-dev.txt bench/requirements.txt
	@.venv/bin/python -m bench.run $(ARGS)

lock: ## Write the locked requirements anew from the .in files
	@scripts/venv.sh requirements.txt requirements-dev.txt
	@scripts/lock.sh

screenshots: ## Take the README's pictures from the demo
	@scripts/venv.sh requirements.txt requirements-dev.txt
	@.venv/bin/python scripts/screenshots.py

clean: ## Remove what was installed and cached; data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/npm/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
