#!/usr/bin/env bash
# Shows Adit working on this machine, from nothing: installs what is needed, builds, lays out a small
# network of namespaces, starts the real processes, and reaches a private resource through an
# encrypted tunnel that is set up with aditctl. Removes everything on the way out.
#   deploy/quickstart.sh           as root
#   deploy/quickstart.sh --keep    leaves it running and prints how to look around
#   deploy/quickstart.sh --clean   removes what --keep left
#
#        client one (wireguard-go)  ┐                     ┌ gateway: adit-dataplane ─ LAN ─ wiki
#        client two (adit-wireguard)┴── "internet" ───────┤ hub: adit-controlplane (unix socket)
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
readonly run=/run/adit-quickstart ns=aditqs
readonly dataplane_uid=64061 controlplane_uid=64062
keep=0

case "${1:-}" in
  "") ;;
  --keep) keep=1 ;;
  --clean) keep=clean ;;
  *) sed -n '2,8p' "$0"; exit 2 ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  echo "quickstart.sh: run it as root: it makes network namespaces and TUN devices of its own" >&2
  exit 1
fi

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() { printf '\nquickstart: %s\n' "$*" >&2; exit 1; }
in_ns() { local name=$1; shift; ip netns exec "$ns-$name" "$@"; }

stop_process() { # PIDFILE: end it, wait for it
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
}

clean() {
  local pidfile name
  for pidfile in "$run"/*.pid; do [ -e "$pidfile" ] && stop_process "$pidfile"; done
  for name in hub gw wiki one two net; do ip netns del "$ns-$name" 2>/dev/null || true; done
  rm -f /var/run/wireguard/aditqs1.sock /var/run/wireguard/aditqs2.sock
  rm -rf "$run"
}

on_exit() {
  local status=$?
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    for log in "$run"/*.log; do
      [ -s "$log" ] && { echo "--- last lines of $(basename "$log")" >&2; tail -n 15 "$log" >&2; }
    done
  fi
  if [ "$status" -ne 0 ] || [ "$keep" = 0 ]; then clean; fi
  exit "$status"
}

if [ "$keep" = clean ]; then clean; exit 0; fi
trap on_exit EXIT
trap 'exit 130' INT TERM
began=$SECONDS

say "1. Packages and build (the first time takes some minutes, mostly compiling)"
"$top/deploy/packages.sh" build test
"$top/deploy/build.sh" adit-dataplane adit-controlplane aditctl
bin="$top/build/bin"
built=$((SECONDS - began))

say "2. A small network: an internet, a hub, a gateway with a private LAN behind it, two clients"
clean
install -d -m 0755 "$run"
install -d -m 0750 -o "$controlplane_uid" -g "$controlplane_uid" "$run/sock"
install -d -m 0700 -o "$controlplane_uid" -g "$controlplane_uid" "$run/store"
install -d -m 0700 -o "$dataplane_uid" -g "$controlplane_uid" "$run/state"
for name in net hub gw wiki one two; do
  ip netns add "$ns-$name"
  ip -n "$ns-$name" link set lo up
done
ip -n "$ns-net" link add br0 type bridge
ip -n "$ns-net" link set br0 up
connect() { # NAMESPACE ADDRESS: an uplink to the internet
  ip -n "$ns-net" link add "to-$1" type veth peer name eth0 netns "$ns-$1"
  ip -n "$ns-net" link set "to-$1" master br0 up
  ip -n "$ns-$1" addr add "$2/24" dev eth0
  ip -n "$ns-$1" link set eth0 up
}
connect hub 203.0.113.1
connect gw 203.0.113.2
connect one 203.0.113.11
connect two 203.0.113.12
ip -n "$ns-gw" link add lan0 type veth peer name eth0 netns "$ns-wiki"
ip -n "$ns-gw" addr add 10.77.1.1/24 dev lan0
ip -n "$ns-gw" link set lan0 up
ip -n "$ns-wiki" addr add 10.77.1.10/24 dev eth0
ip -n "$ns-wiki" link set eth0 up

start() { # NAME NAMESPACE COMMAND...
  local name=$1 where=$2
  shift 2
  ip netns exec "$ns-$where" "$@" >"$run/$name.log" 2>&1 &
  echo $! >"$run/$name.pid"
}
wait_for() { # WHAT COMMAND...: up to 10 s
  local what=$1
  shift
  for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  fail "$what did not happen within 10 s"
}

mkdir "$run/www"
echo "Welcome to the private wiki." >"$run/www/index.html"
start wiki wiki python3 -m http.server 80 --bind 10.77.1.10 --directory "$run/www"
start iperf wiki iperf3 -s -B 10.77.1.10

say "3. The pair: adit-controlplane (no privileges) and adit-dataplane (CAP_NET_ADMIN only)"
start controlplane hub setpriv --reuid "$controlplane_uid" --regid "$controlplane_uid" --clear-groups \
  "$bin/adit-controlplane" --store "sqlite:$run/store/adit.db" \
  --admin-listen "unix:$run/sock/admin.sock" --dataplane-listen "unix:$run/sock/dataplane.sock" \
  --dataplane-user "$dataplane_uid" --admin-user 0
wait_for "the control plane's socket" test -S "$run/sock/dataplane.sock"
start dataplane gw "$bin/adit-dataplane" run --channel "unix:$run/sock/dataplane.sock" \
  --tun-name aditqs0 --node-name gateway --advertise 203.0.113.2:51820 \
  --state-dir "$run/state" --user "$dataplane_uid:$controlplane_uid" \
  --controlplane-user "$controlplane_uid"
aditctl() { "$bin/aditctl" --server "unix:$run/sock/admin.sock" "$@"; }
wait_for "the gateway's registration" aditctl status
aditctl status

say "4. A resource behind the gateway, and two stock WireGuard clients"
aditctl resource create wiki --cidr 10.77.1.10/32 --node gateway \
  --allow tcp:80,5201 --allow icmp
aditctl peer create one --out "$run/one.conf"
aditctl peer create two --out "$run/two.conf"

address_of() { sed -n 's/^Address *= *//p' "$1" | tr ',' '\n' | tr -d ' '; }
bring_up() { # NAMESPACE INTERFACE CONFIG: what wg-quick does, in a namespace without resolv.conf
  local address
  wg-quick strip "$3" >"$run/$2.wg"
  in_ns "$1" wg setconf "$2" "$run/$2.wg"
  rm -f "$run/$2.wg"
  for address in $(address_of "$3"); do ip -n "$ns-$1" addr add "$address" dev "$2"; done
  ip -n "$ns-$1" link set "$2" mtu "$(sed -n 's/^MTU *= *//p' "$3")" up
  for address in $(sed -n 's/^AllowedIPs *= *//p' "$3" | tr ',' '\n' | tr -d ' '); do
    ip -n "$ns-$1" route replace "$address" dev "$2"
  done
}
start wireguard-go one env LOG_LEVEL=error wireguard-go -f aditqs1
start adit-wireguard two "$bin/adit-wireguard" --foreground aditqs2
wait_for "client one's device" test -S /var/run/wireguard/aditqs1.sock
wait_for "client two's device" test -S /var/run/wireguard/aditqs2.sock
bring_up one aditqs1 "$run/one.conf"
bring_up two aditqs2 "$run/two.conf"

reach() { in_ns "$1" ping -q -c 1 -W 1 10.77.1.10; }
say "5. Without a policy nothing is reachable"
for client in one two; do
  reach "$client" >/dev/null && fail "client $client reached the wiki without a policy"
  echo "client $client: refused, as it must be"
done

say "6. A policy: both clients may reach the wiki"
aditctl policy create readers --peer one --peer two --resource wiki
for client in one two; do
  wait_for "client $client's ping" reach "$client"
  in_ns "$client" ping -c 3 -i 0.2 -W 2 10.77.1.10 | tail -n 2
  in_ns "$client" curl -sS --max-time 5 http://10.77.1.10/
  in_ns "$client" curl -sS --max-time 2 http://10.77.1.10:81/ 2>/dev/null &&
    fail "client $client reached a port the resource does not allow"
  echo "client $client: port 81 is refused, as it must be"
  in_ns "$client" iperf3 -c 10.77.1.10 -t 2 | grep -E 'receiver'
done

say "7. Revoked: client one's next packet is refused"
aditctl policy update readers --peer two
reach one >/dev/null && fail "client one still reaches the wiki"
echo "client one: refused"
reach two >/dev/null || fail "client two lost the wiki"
echo "client two: still reaches it"

say "Summary"
aditctl status
aditctl peer list
echo "built in ${built} s, everything in $((SECONDS - began)) s"
if [ "$keep" = 1 ]; then
  cat <<EOF

Left running. Look around:
  $bin/aditctl --server unix:$run/sock/admin.sock status
  ip netns exec $ns-two wg show
  ip netns exec $ns-two curl http://10.77.1.10/
  $0 --clean        removes it
EOF
else
  say "Everything held; removing it."
fi
