#!/usr/bin/env python3
"""kill -9 of the data plane with the control plane stopped and the wall clock set back an hour
meanwhile, again at every kill; a stock client behind NAT, its endpoint learned, without persistent
keepalive, idle and sending: traffic again within 2 s of the restart, every time. While it is dead no
inner address is seen on the underlay. The last one, ended well, leaves the host as the first found it."""
import os
import statistics
import time

from gateway_lab import WIKI, GatewayLab
from lab import check, main, wait_until

SHIFT = os.environ["ADIT_CLOCK_SHIFT"]  # the library that shifts one process's wall clock
ROUNDS = int(os.environ.get("ADIT_RESTART_ROUNDS", "20"))


def seconds_until_ping(net, limit=8):
    began = time.monotonic()
    while time.monotonic() - began < limit:
        if net.clients[0].run("ping", "-q", "-c", "1", "-W", "0.2", WIKI, check=False).returncode == 0:
            return time.monotonic() - began
    return limit


def forwarding(host, interface):
    return host.run("sysctl", "-n", f"net.ipv4.conf.{interface}.forwarding").stdout.strip()


def check_host_is_as_before(net):
    gateway = net.gateway
    check(forwarding(gateway, "lan0") == "1", "lan0 does not forward while the gateway serves it")
    check(net.dataplane.stop() == 0, "the data plane did not end well")
    # A namespace that nobody changed says what the settings were.
    untouched = forwarding(net.hub, "default")
    check(forwarding(gateway, "lan0") == untouched, "lan0's forwarding was not put back")
    check(gateway.run("ip", "link", "show", "adit0", check=False).returncode != 0, "adit0 stays")
    tables = gateway.run("nft", "list", "tables").stdout
    check("adit" not in tables, f"a table stays: {tables}")
    print("after kills and a clean end: no interface, no table, forwarding as before", flush=True)


def body(lab):
    net = GatewayLab(lab, behind_nat=True)
    inner = net.tunnel_address()
    capture = net.gateway.start("tcpdump", "tcpdump", "-i", "eth0", "-n", "-l", "host", inner, "or",
                                "host", WIKI)
    net.pair.controlplane.stop()
    times = []
    for number in range(ROUNDS):
        is_sending = number % 2 == 1
        offset = -3600 * (number + 1)  # an hour behind its predecessor, every time
        wait_until("traffic", lambda: net.clients[0].can_ping(WIKI))
        if is_sending:
            sender = net.clients[0].start("sender", "ping", "-q", "-i", "0.2", WIKI)
        time.sleep(1.2)
        net.dataplane.kill()
        time.sleep(1)
        # The wall clock of the new process only; the machine's is left alone.
        env = dict(os.environ, LD_PRELOAD=SHIFT, ADIT_TEST_SHIFT=str(offset))
        net.start_gateway(wait=False, env=env)
        took = seconds_until_ping(net)
        times.append(took)
        if is_sending:
            sender.stop()
        print(f"restart {number}: {'sending' if is_sending else 'idle'}, clock {offset} s: "
              f"{took:.2f} s", flush=True)
    good = sum(1 for t in times if t <= 2)
    print(f"{good} of {ROUNDS} within 2 s; median {statistics.median(times):.2f} s, "
          f"max {max(times):.2f} s")
    check(good == ROUNDS, f"only {good} of {ROUNDS}")
    capture.stop()
    leaked = [line for line in capture.text().splitlines() if " IP " in line]
    check(not leaked, f"inner addresses on the underlay: {leaked[:3]}")
    check_host_is_as_before(net)


main("dataplane-kill", body)
