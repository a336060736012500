#!/bin/sh
# Programs that tests use beside Python: Chromium for pages, strace and Go for the decision log,
# PostgreSQL for ingest from a database.
# Installed when root on Debian; elsewhere the tests that need one skip, saying so.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v go >/dev/null 2>&1 || missing="$missing golang-go"
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ] || missing="$missing golang-golang-x-mod-dev"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "test: installing Debian's$missing"
  apt-get update -q >/dev/null && apt-get install -y -q $missing >/dev/null && exit 0
fi
echo "test: not installed:$missing (Debian: sudo apt-get install$missing); tests that need them skip."
