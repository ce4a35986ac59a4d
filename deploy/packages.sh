#!/usr/bin/env bash
# The Debian 12 packages of Adit, in one place.
#   packages.sh build        what compiling needs
#   packages.sh run          the libraries that running the programs needs: what images install
#   packages.sh test         what tests and quickstart need besides build
#   packages.sh containers   what the tests of images need besides test
#   packages.sh check        what formatting and tidy need besides build
#   packages.sh fuzz         what tests/fuzz/run.sh needs besides build
# Installs what is missing, and does nothing (and needs no network) when nothing is.
set -euo pipefail

build=(build-essential cmake ninja-build ccache pkg-config python3
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev
  libsodium-dev libssl-dev libspdlog-dev libmnl-dev libnftables-dev libsqlite3-dev
  libcli11-dev libyaml-cpp-dev libqrencode-dev libgtest-dev libgmock-dev nlohmann-json3-dev)
run=(libgrpc++1.51 libprotobuf32 libabsl20220623 libsodium23 libssl3 libspdlog1.10 libfmt9
  libmnl0 libnftables1 libsqlite3-0 libyaml-cpp0.7 libqrencode4)
if [ "$(dpkg --print-architecture)" = amd64 ]; then
  build+=(libipsec-mb-dev)
  run+=(libipsec-mb1)
fi
test=(iproute2 iputils-ping nftables iperf3 wireguard-tools wireguard-go tcpdump tshark curl procps
  python3-cryptography ethtool)
containers=(buildah podman runc netavark iptables mmdebstrap python3-yaml)
check=(clang-14 clang-format-14 clang-tidy-14 libbenchmark-dev)
fuzz=(clang-14 libclang-rt-14-dev llvm-14)

wanted=()
for group in "$@"; do
  case "$group" in
    build) wanted+=("${build[@]}") ;;
    run) wanted+=("${run[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    containers) wanted+=("${containers[@]}") ;;
    check) wanted+=("${check[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    *) sed -n '2,10p' "$0" >&2; exit 2 ;;
  esac
done
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "packages.sh: these Debian packages are missing; install them as root: ${missing[*]}" >&2
  exit 1
fi
echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
