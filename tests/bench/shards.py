#!/usr/bin/env python3
"""How much more two shards carry than one, on a machine that has cores for the device alone.

Eight peers, the cipher libsodium (so that the device is what limits), traffic from TUN to UDP: the way
that has one reader. Whoever makes the traffic, and whoever takes it, must not compete with the device
for the cores. So the device is stopped while super-packets of numbered datagrams, one flow a peer, fill
the queue of its TUN; and the peers are stopped once they have their sessions: what they have no room
for the kernel drops. Then the device runs, and the clock from its first byte to its last.

Afterwards the peers run, and what their sockets have kept comes out in the order of its numbers, or
this fails. Rounds are outermost and the median counts, as in bench.py.

    tests/bench/shards.py [--rounds 5] [--shards 1,2] [--packets 12000] [--aead libsodium]
"""
import argparse
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "netns"))
from lab import WireGuardDevice, check, main, wait_until  # noqa: E402

PROBE = HERE.parent / "netns" / "probe.py"
PEERS = 8
PORT = 9000
SEGMENT, SEGMENTS = 1300, 48  # of a super-packet
UDP_SEGMENT = 103


def inner(number):
    return f"10.9.{number}.2"


def fill(count):
    """In the device's namespace: `count` super-packets, the peers in turn."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, SEGMENT)
    train = bytearray(SEGMENT * SEGMENTS)
    for i in range(count):
        first = i // PEERS * SEGMENTS
        for segment in range(SEGMENTS):
            struct.pack_into("<QQ", train, segment * SEGMENT, first + segment, 0)
        sock.sendto(train, (inner(i % PEERS), PORT))


def shard_seconds(pid):
    """CPU seconds of each shard's thread."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("shard"):
            seconds[name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def rss_anon(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


class Bed:
    """A device of so many shards, and its peers on one host at the other end of a cable."""

    def __init__(self, lab, shards, aead):
        self.device_host, peer_host = lab.host(f"d{shards}"), lab.host(f"p{shards}")
        lab.veth(self.device_host, peer_host)
        self.device_host.address("eth0", "192.0.2.1/24")
        peer_host.address("eth0", "192.0.2.2/24")
        suffix = f"{shards}x{os.getpid() % 10000}"
        self.device = WireGuardDevice(self.device_host, f"d{suffix}", "adit", "--shards", str(shards),
                                      "--aead", aead)
        self.device.configure(51820, ["10.9.255.1/32"], 1420)
        self.device_host.run("ip", "route", "add", "10.9.0.0/16", "dev", self.device.interface)
        self.device_host.run("ip", "link", "set", self.device.interface, "txqueuelen", 100000)
        self.peers = []
        for number in range(PEERS):
            peer = WireGuardDevice(peer_host, f"p{number}n{suffix}", "adit")
            peer.configure(51000 + number, [f"{inner(number)}/32"], 1420)
            peer.add_peer(self.device.public_key, "10.9.255.1/32", "192.0.2.1:51820")
            self.device.add_peer(peer.public_key, f"{inner(number)}/32", f"192.0.2.2:{51000 + number}")
            # Each answers through its own device.
            table = str(100 + number)
            peer_host.run("ip", "route", "add", "10.9.255.1", "dev", peer.interface, "table", table)
            peer_host.run("ip", "rule", "add", "from", inner(number), "table", table)
            self.peers.append(peer)
        self.lab, self.peer_host = lab, peer_host

    def sent_by(self, interface):
        """Bytes and drops, of the device's host."""
        lines = pathlib.Path(f"/proc/{self.device.process.pid}/net/dev").read_text().splitlines()
        fields = next(line for line in lines if line.strip().startswith(f"{interface}:")).split(":")[1].split()
        return int(fields[8]), int(fields[11])

    def measure(self, packets):
        """Gbit/s of inner payload, CPU seconds a GB of the busiest shard, RssAnon in KB."""
        for number in range(PEERS):
            wait_until(f"peer {number}", lambda: self.device_host.can_ping(inner(number)))
        files = [self.lab.dir / f"{peer.interface}-{time.monotonic_ns()}" for peer in self.peers]
        receivers = [self.peer_host.start("receiver", "python3", PROBE, "receive", inner(number), PORT, file)
                     for number, file in enumerate(files)]
        wait_until("the receivers", lambda: self.peer_host.run("ss", "-lunH").stdout.count(f":{PORT} ") == PEERS)
        for process in (*(peer.process for peer in self.peers), self.device.process):
            process.popen.send_signal(signal.SIGSTOP)
        _, dropped = self.sent_by(self.device.interface)
        self.device_host.run("python3", pathlib.Path(__file__).resolve(), "--fill", packets)
        before = shard_seconds(self.device.process.pid)
        sent, _ = self.sent_by("eth0")
        began = ended = time.monotonic()
        self.device.process.popen.send_signal(signal.SIGCONT)
        now = sent
        while time.monotonic() - ended < 0.2:
            time.sleep(0.002)
            latest, _ = self.sent_by("eth0")
            if latest != now:
                ended, now = time.monotonic(), latest
        after = shard_seconds(self.device.process.pid)
        rss = rss_anon(self.device.process.pid)
        check(self.sent_by(self.device.interface)[1] == dropped, "the TUN's queue was too short")
        payload = packets * SEGMENTS * SEGMENT
        check(now - sent > payload, f"only {now - sent} bytes left")
        self.check_order(receivers, files)
        busiest = max(after[name] - before[name] for name in after)
        return payload * 8 / 1e9 / (ended - began), busiest / (payload / 1e9), rss

    def check_order(self, receivers, files):
        for peer in self.peers:
            peer.process.popen.send_signal(signal.SIGCONT)
        for receiver, file in zip(receivers, files):
            wait_until("what the peers have kept", lambda: file.read_text().count("\n") > 500)
            time.sleep(0.2)
            receiver.stop()
            numbers = [int(line.split()[0]) for line in file.read_text().splitlines()]
            check(numbers == sorted(set(numbers)), "packets of a flow were reordered")


def body(lab, options):
    beds = {shards: Bed(lab, shards, options.aead) for shards in options.shards}
    results = {shards: [] for shards in beds}
    for number in range(options.rounds):
        for shards, bed in beds.items():
            rate, busiest, rss = bed.measure(options.packets)
            results[shards].append((rate, busiest))
            print(f"round {number + 1}/{options.rounds}, {shards} shards: {rate:.2f} Gbit/s, busiest shard "
                  f"{busiest:.2f} CPU s/GB, RssAnon {rss / 1024:.1f} MB", flush=True)
    one = beds and min(beds)
    base = [statistics.median(column) for column in zip(*results[one])]
    for shards, rows in results.items():
        rate, busiest = (statistics.median(column) for column in zip(*rows))
        print(f"{shards} shards: {rate:.2f} Gbit/s ({rate / base[0]:.2f} times {one}), busiest shard {busiest:.2f} "
              f"CPU s/GB ({base[1] / busiest:.2f} times as much per core)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--packets", type=int, default=12000, help="super-packets a measurement")
    parser.add_argument("--aead", default="libsodium")
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.fill)
    else:
        main("shards-bench", lambda lab: body(lab, given))
