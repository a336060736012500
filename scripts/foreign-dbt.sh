#!/bin/sh
# An environment of its own for dbt and its OpenLineage integration, then the test that runs them.
# dbt pins packages that the workbench has in other versions: the two never share an environment.
set -eu
cd "$(dirname "$0")/.."
home=${WORKBENCH_DBT:-.venv-dbt}
wanted=$(cksum < tests/foreign/dbt_project/requirements.txt)
if [ ! -f "$home/.setup" ] || [ "$(cat "$home/.setup")" != "$wanted" ]; then
  echo "foreign-dbt: installing dbt into $home"
  "${PYTHON:-python3}" -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check \
    -r tests/foreign/dbt_project/requirements.txt
  printf '%s' "$wanted" > "$home/.setup"
fi
WORKBENCH_DBT=$home .venv/bin/python -m pytest -q -rs tests/foreign
