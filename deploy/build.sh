#!/usr/bin/env bash
# Builds Adit (RelWithDebInfo) in build/: one build serves quickstart and the tests.
#   build.sh [TARGET...]    default: everything
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -f "$top/build/build.ninja" ]; then
  cmake -S "$top" -B "$top/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
fi
exec cmake --build "$top/build" ${1:+--target "$@"}
