# make demo    set everything up, then do the main job here, in this folder
# make test    set everything up, then check style and types and pass all tests
# make lab     JupyterLab on the notebooks
# make foreign-dbt   run a dbt project in an environment of its own and join its lineage with ours
# make bench   rerun the benchmarks and rewrite benchmarks/results/
.PHONY: setup demo test lab bench foreign-dbt lock clean
export OMP_WAIT_POLICY ?= passive

setup:
	@sh scripts/setup.sh

demo: setup
	@.venv/bin/workbench demo

lab: setup
	@.venv/bin/workbench lab

test: setup
	@sh scripts/test-tools.sh
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile --durations 15

foreign-dbt: setup
	@sh scripts/foreign-dbt.sh

bench: setup
	@sh benchmarks/run_all.sh

# Versions and hashes only: no addresses in the lock. The extra `deep` is left out: torch depends on
# the processor, and nothing needs it but training (docs/data-scientist.md).
lock:
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
	  --extra demo --extra cluster --extra vision --extra dev \
	  --no-annotate --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist
