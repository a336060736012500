#!/bin/sh
# Rerun every benchmark on a quiet machine; each writes its page under benchmarks/results/.
set -eu
cd "$(dirname "$0")/.."
for script in benchmarks/*.py; do
  name=$(basename "$script" .py)
  [ "$name" = "__init__" ] || { echo "== $name"; .venv/bin/python -m "benchmarks.$name"; }
done
for name in intermittent censored growth scale m5_families m5_paths months; do  # those of forecasts that need no workspace
  echo "== forecasting.$name"; .venv/bin/python -m "benchmarks.forecasting.$name"
done
echo "== a workspace that ran the demo, for those that replay its forecasts"
demo=$(mktemp -d) && root=$(pwd)
trap 'rm -rf "$demo"' EXIT
( export WORKBENCH_KEYS="$demo/keys"
  "$root/.venv/bin/workbench" init "$demo/shop" && cd "$demo/shop" && "$root/.venv/bin/workbench" demo )
for name in sensing families; do
  echo "== forecasting.$name"
  .venv/bin/python -m "benchmarks.forecasting.$name" --workspace "$demo/shop"
done
echo "== forecasting.m5"
.venv/bin/python -m benchmarks.forecasting.m5 --window validation --out data/m5-validation.parquet \
  --page benchmarks/results/m5.md
