#!/usr/bin/env bash
# clang-tidy on the given files. Files that include gRPC or protobuf get the bugprone and analyzer
# checks only: their headers cost the others twenty seconds a file.
set -euo pipefail
status=0
for file in "$@"; do
  checks=()
  if grep -qE '#include [<"](grpc|grpcpp|google|adit)/' "$file"; then
    checks=(--checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,clang-analyzer-*')
  fi
  clang-tidy-14 -p build --quiet --extra-arg=-Wno-unknown-warning-option "${checks[@]}" "$file" 2>/dev/null || status=1
done
exit $status
