#!/bin/sh
# Rerun every benchmark on a quiet machine; each writes its page under benchmarks/results/.
# DEEP_PYTHON: a Python with torch beside this project; without it pages lack the sequence model.
set -eu
cd "$(dirname "$0")/.."
for script in benchmarks/*.py; do
  name=$(basename "$script" .py)
  [ "$name" = "__init__" ] || { echo "== $name"; .venv/bin/python -m "benchmarks.$name"; }
done
for name in intermittent censored growth scale m5_paths months; do  # those of forecasts that need no workspace
  echo "== forecasting.$name"; .venv/bin/python -m "benchmarks.forecasting.$name"
done
echo "== forecasting.m5_families"
.venv/bin/python -m benchmarks.forecasting.m5_families ${DEEP_PYTHON:+--deep "$DEEP_PYTHON"}
echo "== a workspace that ran the demo, for those that replay its forecasts"
demo=$(mktemp -d) && root=$(pwd)
trap 'rm -rf "$demo"' EXIT
( export WORKBENCH_KEYS="$demo/keys"
  "$root/.venv/bin/workbench" init "$demo/shop" && cd "$demo/shop" && "$root/.venv/bin/workbench" demo )
echo "== forecasting.sensing"
.venv/bin/python -m benchmarks.forecasting.sensing --workspace "$demo/shop"
echo "== forecasting.families"
.venv/bin/python -m benchmarks.forecasting.families --workspace "$demo/shop" --series 500 \
  ${DEEP_PYTHON:+--deep "$DEEP_PYTHON"}
echo "== forecasting.m5"
.venv/bin/python -m benchmarks.forecasting.m5 --window validation --out data/m5-validation.parquet \
  --page benchmarks/results/m5.md
