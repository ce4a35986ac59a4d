#!/usr/bin/env python3
"""Interop with wireguard-go and `wg`: every pair of values of {role, underlay family, overlay
family, preshared key, MTU and underlay} at least once. All rows at the same time, each in its own
namespaces: a ping a second through a rekey with none lost, then iperf3 in turn."""
import json
import os
import subprocess

from lab import Failure, WireGuardDevice, check, main, wait_until

SECONDS = int(os.environ.get("ADIT_INTEROP_SECONDS", "190"))
# role of adit, underlay, overlay, psk, (tunnel MTU, underlay MTU): a pairwise cover.
MTUS = [(1280, 1500), (1420, 1500), (9000, 9100), (9000, 1500)]
ROWS = [
    ("initiator", 4, 4, True, MTUS[0]),
    ("responder", 6, 6, False, MTUS[0]),
    ("responder", 4, 6, True, MTUS[1]),
    ("initiator", 6, 4, False, MTUS[1]),
    ("initiator", 4, 6, False, MTUS[2]),
    ("responder", 6, 4, True, MTUS[2]),
    ("responder", 4, 4, False, MTUS[3]),
    ("initiator", 6, 6, True, MTUS[3]),
]


def assert_pairwise():
    columns = list(zip(*ROWS))
    for a in range(len(columns)):
        for b in range(a):
            wanted = {(x, y) for x in set(columns[a]) for y in set(columns[b])}
            missing = wanted - set(zip(columns[a], columns[b]))
            check(not missing, f"pairs without a row: {missing}")


class Row:
    def __init__(self, lab, number, role, underlay, overlay, has_psk, mtus):
        self.name = f"{number}: adit {role}, IPv{underlay} underlay, IPv{overlay} overlay, " \
                    f"psk {has_psk}, MTU {mtus[0]} on {mtus[1]}"
        mtu, underlay_mtu = mtus
        a, b = lab.host(f"a{number}"), lab.host(f"b{number}")
        lab.veth(a, b, mtu=underlay_mtu)
        hosts = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}[underlay]
        a.address("eth0", f"{hosts[0]}/{24 if underlay == 4 else 64}")
        b.address("eth0", f"{hosts[1]}/{24 if underlay == 4 else 64}")
        inner = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}[overlay]
        bits = 32 if overlay == 4 else 128
        self.adit = WireGuardDevice(a, f"ia{os.getpid() % 10000}x{number}", "adit")
        self.other = WireGuardDevice(b, f"ig{os.getpid() % 10000}x{number}", "wireguard-go")
        subnet = 24 if overlay == 4 else 64
        self.adit.configure(51820, [f"{inner[0]}/{subnet}"], mtu)
        self.other.configure(51820, [f"{inner[1]}/{subnet}"], mtu)
        psk = subprocess.run(["wg", "genpsk"], capture_output=True, text=True).stdout.strip() \
            if has_psk else None
        is_initiator = role == "initiator"
        brackets = (lambda h: f"[{h}]") if underlay == 6 else (lambda h: h)
        # Only the initiator knows where the other is; the other learns it.
        self.adit.add_peer(self.other.public_key, f"{inner[1]}/{bits}",
                           f"{brackets(hosts[1])}:51820" if is_initiator else None, psk)
        self.other.add_peer(self.adit.public_key, f"{inner[0]}/{bits}",
                            None if is_initiator else f"{brackets(hosts[0])}:51820", psk)
        self.client, self.server = (a, b) if is_initiator else (b, a)
        self.target = inner[1] if is_initiator else inner[0]

    def start_ping(self):
        wait_until(f"row {self.name}: first ping", lambda: self.client.can_ping(self.target), 10)
        self.ping = self.client.start("ping", "ping", "-q", "-i", "1", "-c", SECONDS, "-W", "2",
                                      self.target)

    def finish_ping(self):
        self.ping.popen.wait(SECONDS + 30)
        text = self.ping.text()
        check(f"{SECONDS} packets transmitted, {SECONDS} received" in text, f"row {self.name}: {text}")

    def iperf(self):
        server = self.server.start("iperf3", "iperf3", "-s", "-1", "-B", self.target)
        wait_until("iperf3", lambda: self.server.run("ss", "-Hltn", "sport", "=", "5201").stdout)
        for attempt in range(2):
            result = self.client.run("iperf3", "-c", self.target, "-t", "3", "-J", check=False)
            if result.returncode == 0:
                break
        server.stop()
        check(result.returncode == 0, f"row {self.name}: iperf3: {result.stdout[-300:]}")
        return json.loads(result.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


def body(lab):
    assert_pairwise()
    rows = [Row(lab, number, *row) for number, row in enumerate(ROWS)]
    for row in rows:
        row.start_ping()
    failures = []
    for row in rows:
        try:
            row.finish_ping()
        except Failure as failure:
            failures.append(str(failure))
    check(not failures, "\n".join(failures))
    for row in rows:
        rate = row.iperf()
        print(f"row {row.name}: {SECONDS} of {SECONDS} pings, {rate:.0f} Mbit/s", flush=True)
        check(rate > 20, f"row {row.name}: only {rate:.1f} Mbit/s")


main("interop", body)
