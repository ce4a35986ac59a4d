#!/usr/bin/env python3
"""Revoking: once the call has returned not one packet is forwarded; from the call to the last
packet 100 ms at p99 of 200. A partitioned node is named, and the call exits 6. The resource's host
cannot connect to the client from an allowed port, and is told so. What was revoked stays so when
both programs are killed."""
import os
import pathlib
import signal
import statistics
import time

from gateway_lab import WIKI, GatewayLab
from lab import CONTROLPLANE_UID, check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
ROUNDS = int(os.environ.get("ADIT_REVOKE_ROUNDS", "200"))


def measure(net):
    record = net.lab.dir / "probe.txt"
    net.wiki.start("receiver", "python3", PROBE, "receive", WIKI, 9000, record)
    probe = net.clients[0].start("probe", "python3", PROBE, "send", WIKI, 9000, 2000, 600)
    wait_until("probe packets", lambda: record.stat().st_size > 0, 15)
    calls = []
    for _ in range(ROUNDS):
        began = time.monotonic_ns()
        result = net.pair.ctl("policy", "disable", "all")
        returned = time.monotonic_ns()
        check(result.returncode == 0, f"disable: {result.stdout}{result.stderr}")
        time.sleep(0.02)
        check(net.pair.ctl("policy", "enable", "all").returncode == 0, "enable")
        enabled = time.monotonic_ns()
        calls.append((began, returned, enabled))
        time.sleep(0.01)
    time.sleep(2)
    probe.stop()
    arrivals = sorted(int(line.split()[2]) for line in record.read_text().splitlines())
    delays, late = [], 0
    for began, returned, enabled in calls:
        # Up to 10 ms before the enabling call returns nothing may have passed since the revocation.
        window = [t for t in arrivals if began < t < enabled - 10_000_000]
        before = [t for t in window if t <= returned]
        delays.append((max(before) - began) / 1e6 if before else 0.0)
        late += sum(1 for t in window if t > returned + 1_000_000 and t < returned + 18_000_000)
    delays.sort()
    p99 = delays[int(len(delays) * 0.99) - 1]
    print(f"revocations: {ROUNDS}; call to last packet: median {statistics.median(delays):.1f} ms, "
          f"p99 {p99:.1f} ms, max {delays[-1]:.1f} ms; packets after the call returned: {late}")
    check(late == 0, f"{late} packets were forwarded after the call had returned")
    check(p99 <= 100, f"p99 is {p99:.1f} ms")


def resource_cannot_connect(net):
    client = net.tunnel_address()
    net.clients[0].start("listener", "python3", "-c",
                         "import socket,time; s=socket.create_server(('0.0.0.0', 8080)); time.sleep(600)")
    net.wiki.run("ip", "route", "add", f"{client}/32", "via", "10.77.1.1")
    result = net.wiki.run("python3", "-c", f"""
import socket
s = socket.socket(); s.bind(('{WIKI}', 443)); s.settimeout(2)
try:
    s.connect(('{client}', 8080)); print('connected')
except OSError as e:
    print('refused', e)
""")
    # At once, by ICMP: a silent drop would be a time-out.
    check("refused" in result.stdout and "No route to host" in result.stdout,
          f"the resource connected to the client, or was not told that it may not: {result.stdout}")
    print("resource to client from an allowed port:", result.stdout.strip())


def partitioned_node(net):
    os.kill(net.dataplane.pid, signal.SIGSTOP)
    try:
        result = net.pair.ctl("--timeout", "4s", "policy", "disable", "all")
        check(result.returncode == 6, f"exit {result.returncode}: {result.stdout}{result.stderr}")
        check("gw" in result.stdout + result.stderr, "the call does not name the node")
        check("stored" in result.stdout + result.stderr, "the call does not say that it is stored")
        print("partitioned: exit 6:", (result.stdout + result.stderr).strip().replace("\n", " | "))
        # By the usual patience the hub has given the node up: it has not answered all the same.
        result = net.pair.ctl("peer", "create", "late", "--out", net.lab.dir / "late.conf")
        check(result.returncode == 6, f"hung: exit {result.returncode}: {result.stdout}{result.stderr}")
    finally:
        os.kill(net.dataplane.pid, signal.SIGCONT)
    wait_until("the revocation to arrive", lambda: not net.clients[0].can_ping(WIKI), 10)
    net.pair.ctl("policy", "enable", "all", check=True)
    net.dataplane.kill()
    result = net.pair.ctl("policy", "disable", "all")
    check(result.returncode == 6, f"offline: exit {result.returncode}: {result.stdout}{result.stderr}")
    check("offline" in (result.stdout + result.stderr).lower(), result.stdout + result.stderr)
    print("offline: exit 6:", (result.stdout + result.stderr).strip().replace("\n", " | "))


def killed_with_its_hub(net):
    """Acknowledged, then both killed at once: the data plane alone goes on refusing."""
    net.start_gateway()
    net.pair.ctl("policy", "enable", "all", check=True)
    wait_until("traffic", lambda: net.clients[0].can_ping(WIKI))
    net.pair.ctl("policy", "disable", "all", check=True)
    net.dataplane.kill()
    net.pair.controlplane.kill()
    net.start_gateway(wait=False)

    def pings(count):
        return net.clients[0].run("ping", "-c", count, "-i", "0.2", "-W", "1", WIKI, check=False).stdout
    # Said by the gateway: it is back, has a session with the client, and refuses.
    wait_until("a refusal", lambda: "Packet filtered" in pings(1), 10)
    answers = pings(15)
    check(" 0 received" in answers, f"forwarded after the restart: {answers}")
    print("both killed after the acknowledgement: the data plane alone refuses")


def body(lab):
    net = GatewayLab(lab, allow=("udp:9000", "tcp:443", "icmp"))
    resource_cannot_connect(net)
    measure(net)
    partitioned_node(net)
    killed_with_its_hub(net)


main("revoke", body)
