#!/bin/sh
# Rerun every benchmark on a quiet machine; each writes its page under benchmarks/results/.
set -eu
cd "$(dirname "$0")/.."
for script in benchmarks/*.py; do
  name=$(basename "$script" .py)
  [ "$name" = "__init__" ] || { echo "== $name"; .venv/bin/python -m "benchmarks.$name"; }
done
for name in intermittent censored growth m5_paths months; do  # those of forecasts that need no workspace
  echo "== forecasting.$name"; .venv/bin/python -m "benchmarks.forecasting.$name"
done
echo "== forecasting.m5"
.venv/bin/python -m benchmarks.forecasting.m5 --window validation --out data/m5-validation.parquet \
  --page benchmarks/results/m5.md
