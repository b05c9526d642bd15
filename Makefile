# Headway. `make run` is all it takes; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run dev demo backup restore test bench lock screenshots clean

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

backup: ## Copy store and archive into one file while the site runs; TO=path names it; ARCHIVE=no leaves the archive out
	@scripts/venv.sh requirements.txt
	@exec .venv/bin/python -m scripts.backup create $(if $(TO),--to "$$TO") $(if $(filter no,$(ARCHIVE)),--without-archive)

restore: ## Put such a file back into a site that is stopped and empty: FROM=path; FORCE=yes replaces what is there
	@scripts/venv.sh requirements.txt
	@exec .venv/bin/python -m scripts.backup restore $(if $(filter yes,$(FORCE)),--force) -- "$$FROM"

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
