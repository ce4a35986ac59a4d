#!/usr/bin/env bash
# Fuzzes, from the committed corpora on; what is found is kept in build-fuzz.
#   tests/fuzz/run.sh [TARGET [SECONDS]]        every target, or one; 60 seconds each
#   tests/fuzz/run.sh --minimise TARGET         the committed corpus becomes the smallest that covers
#                                               as much as all that was found
#   tests/fuzz/run.sh --coverage [TARGET]       what the committed corpora reach, by file
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
deploy/packages.sh build fuzz
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
most_files=200

targets() { basename -s _fuzz.cc -a tests/fuzz/*_fuzz.cc; }

build() {
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz -- --quiet
}

fuzz() { # TARGET SECONDS
  local found=build-fuzz/corpus/$1 options=()
  mkdir -p "$found" build-fuzz/artifacts
  [ -e "tests/fuzz/$1.dict" ] && options+=("-dict=tests/fuzz/$1.dict")
  echo "=== $1, $2 s"
  "build-fuzz/bin/$1_fuzz" -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build-fuzz/artifacts/$1-" "${options[@]}" "$found" "tests/fuzz/corpus/$1" 2>&1 |
    grep -E '(pulse|DONE|cov:.*DONE|ERROR|SUMMARY|violated|Test unit|number_of_executed_units|average_exec)'
}

# The smallest files of those that add something; files with a name were written by hand and stay.
minimise() { # TARGET
  local corpus=tests/fuzz/corpus/$1 merged
  merged=$(mktemp -d)
  "build-fuzz/bin/$1_fuzz" -merge=1 "$merged" "build-fuzz/corpus/$1" "$corpus" 2>&1 | tail -n 1
  find "$merged" -type f -printf '%s %p\n' | sort -n | tail -n +$((most_files + 1)) | cut -d' ' -f2- | xargs -r rm
  find "$corpus" -type f -name '*_*' -exec cp {} "$merged" \;
  rm -rf "$corpus"
  mv "$merged" "$corpus"
  chmod 755 "$corpus"
  echo "$corpus: $(find "$corpus" -type f | wc -l) files, $(du -sb "$corpus" | cut -f1) bytes"
}

# A build of its own: clang's coverage of the replay.
coverage() { # [TARGET]
  local build=build-coverage flags="-fprofile-instr-generate -fcoverage-mapping"
  cmake --preset fuzz -B $build -DADIT_SANITIZE=address -DCMAKE_CXX_FLAGS="$flags" >/dev/null
  cmake --build $build --target tests_fuzz -- --quiet
  LLVM_PROFILE_FILE=$build/fuzz.profraw $build/bin/tests_fuzz --gtest_filter="FuzzCorpus.${1:-*}" >/dev/null
  llvm-profdata-14 merge -o $build/fuzz.profdata $build/fuzz.profraw
  llvm-cov-14 report $build/bin/tests_fuzz -instr-profile=$build/fuzz.profdata dataplane common
}

case "${1:-}" in
  --minimise) build && minimise "$2" ;;
  --coverage) coverage "${2:-}" ;;
  *)
    build
    for target in ${1:-$(targets)}; do
      fuzz "$target" "${2:-60}"
    done
    ;;
esac
