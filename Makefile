# The two commands of a fresh machine are `make demo` and `make test`; both install what is missing first.
.PHONY: setup demo test faults check bench clean

setup:
	@scripts/setup

demo: setup
	@scripts/demo

test: setup
	@.venv/bin/pytest

faults: setup
	@.venv/bin/pytest -m slow

check: setup
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/ruff check --quiet
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

bench: setup
	@for each in local_cloud command_line push_to_live; do PYTHONPATH=.:scripts .venv/bin/python -m benchmarks.$$each || exit 1; done

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
