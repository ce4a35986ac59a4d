#!/usr/bin/env bash
# A userspace WireGuard device at each end, driven by wg(8).
#   DEVICE="adit-wireguard --foreground" wireguard.sh up|down
# DEVICE: a command that takes the interface's name and stays in the foreground. See bench.py for the
# rest of the environment.
set -euo pipefail
umask 077

up() {
  local key_a key_b
  wg genkey >"$WORK/a.key"
  wg genkey >"$WORK/b.key"
  key_a=$(wg pubkey <"$WORK/a.key")
  key_b=$(wg pubkey <"$WORK/b.key")
  : >"$WORK/pids"
  start "$HOST_A" "$TUNNEL_IF_A" a
  start "$HOST_B" "$TUNNEL_IF_B" b
  configure "$HOST_A" "$TUNNEL_IF_A" a "$key_b" "$UNDERLAY_B" "$TUNNEL_A" "$TUNNEL_B"
  configure "$HOST_B" "$TUNNEL_IF_B" b "$key_a" "$UNDERLAY_A" "$TUNNEL_B" "$TUNNEL_A"
  echo "$TUNNEL_B" >"$WORK/target"
}

start() { # HOST INTERFACE SIDE
  # shellcheck disable=SC2086 # DEVICE is a command and its flags
  LOG_LEVEL=error ip netns exec "$1" $DEVICE "$2" >"$WORK/$3.log" 2>&1 &
  echo $! >>"$WORK/pids"
}

configure() { # HOST INTERFACE SIDE PEER'S-KEY PEER'S-UNDERLAY OWN-ADDRESS PEER'S-ADDRESS
  local tries=100
  until ip netns exec "$1" wg show "$2" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "$DEVICE $2 does not answer:" >&2; cat "$WORK/$3.log" >&2; return 1; }
    sleep 0.05
  done
  ip netns exec "$1" wg set "$2" private-key "$WORK/$3.key" listen-port 51820 \
    peer "$4" endpoint "$5:51820" allowed-ips "$7/32"
  ip -n "$1" addr add "$6/24" dev "$2"
  ip -n "$1" link set "$2" mtu "$MTU" up
}

down() { # until the devices have removed their interfaces and sockets
  local pid tries=60
  while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$WORK/pids"
  while read -r pid; do
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.05; done
    kill -9 "$pid" 2>/dev/null || true
  done <"$WORK/pids"
}

"$1"
