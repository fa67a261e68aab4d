# The two commands of a fresh machine are `make demo` and `make test`; both install what is missing first.
.PHONY: setup demo test faults matrix fuzz docs check bench clean

setup:
	@scripts/setup

demo: setup
	@scripts/demo

# two at once, for most of a test's time is spent waiting
test: setup
	@.venv/bin/pytest -n 2 --dist loadfile

faults: setup
	@.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

matrix: setup
	@.venv/bin/pytest -n 2 -m matrix

fuzz: setup
	@.venv/bin/pytest -m fuzz

docs: setup
	@.venv/bin/mkdocs build --quiet --site-dir .site

check: setup
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/ruff check --quiet
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/mkdocs build --quiet --site-dir .site

bench: setup
	@for each in local_cloud command_line calls graph_depth pipeline push_to_live balancer rolling task_start scheduler api registry git; do PYTHONPATH=.:scripts .venv/bin/python -m benchmarks.$$each || exit 1; done

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
