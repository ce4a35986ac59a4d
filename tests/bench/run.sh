#!/usr/bin/env bash
# Measures adit-wireguard beside Debian's wireguard-go and the bare cable, on this machine.
#   tests/bench/run.sh [--rounds 3] [--seconds 5] [--peers raw,wireguard-go,adit]
#                      [--device NAME=COMMAND]... [--baseline PEER]
#                      [--tests tcp1,tcp4,udp1200,udp64,ping,ping-load] [--offload on,off] [--out FILE.csv]
# Installs and builds what it needs, makes namespaces of its own and removes them. --help has the rest.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ "$(id -u)" -ne 0 ]; then
  echo "run.sh: run it as root: it makes network namespaces and TUN devices of its own" >&2
  exit 1
fi
"$top/deploy/packages.sh" build test
"$top/deploy/build.sh" adit-dataplane adit_udp_pps
exec python3 "$top/tests/bench/bench.py" "$@"
