#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every ctest test.
#   tests/run.sh [CTEST ARGUMENT...]    e.g. tests/run.sh -L unit
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
"$top/deploy/packages.sh" build test containers
if [ "$(id -u)" -ne 0 ]; then
  echo "tests/run.sh: run it as root: it makes network namespaces and TUN devices of its own" >&2
  exit 1
fi
"$top/deploy/build.sh"
cd "$top/build"
exec ctest --output-on-failure --no-tests=error -j 2 "$@"
