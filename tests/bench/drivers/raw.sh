#!/usr/bin/env bash
# No tunnel: the cable itself, the ceiling of everything else. The cable gets the tunnel's MTU.
#   raw.sh up|down      see bench.py for the environment
set -euo pipefail
case "$1" in
  up)
    : >"$WORK/pids"
    ip -n "$HOST_A" link set "$CABLE" mtu "$MTU"
    ip -n "$HOST_B" link set "$CABLE" mtu "$MTU"
    echo "$UNDERLAY_B" >"$WORK/target"
    ;;
  down) ;;
esac
