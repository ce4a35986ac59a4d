#!/usr/bin/env python3
"""The GSO queue against real sockets. An uplink choked to 20 Mbit/s under iperf3: sends are suspended,
nothing is dropped, nothing is reordered. Peers over IPv4 and IPv6 on two uplinks, one of which stops
altogether: 300 ms after it began to delay the other's peer, that peer keeps at least 90 %, and every
packet that is lost is counted as underlay_stuck. Order and loss are those of numbered packets and of
TCP's receiver."""
import json
import os
import pathlib
import re
import time

from lab import WireGuardDevice, check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PORT = 9000
MILLISECOND = 1_000_000  # of the probe's clock
# The underlay, by family: our end and the peer's.
ENDS = {4: ("192.0.2.1/24", "192.0.2.2/24", "192.0.2.2:51820"),
        6: ("2001:db8::1/64", "2001:db8::2/64", "[2001:db8::2]:51820")}


def tunnel_address(family, side):
    return f"10.9.{family}.{side}"


def device(host, *addresses):
    """In front of it nothing is lost while it does not read, and nobody speaks but the test."""
    host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    made = WireGuardDevice(host, f"u{host.name}{os.getpid() % 10000}", "adit")
    made.configure(51820, [f"{address}/24" for address in addresses], 1420)
    host.run("ip", "link", "set", made.interface, "txqueuelen", 100000)
    return made


def connect(lab, near, families):
    """near's device, with a peer on a link of its own for each family; their hosts and devices."""
    far = {}
    for family in families:
        far[family] = lab.host(f"{near.name}{family}")
        lab.veth(near, far[family], f"link{family}", "eth0")
        near.address(f"link{family}", ENDS[family][0])
        far[family].address("eth0", ENDS[family][1])
    ours = device(near, *(tunnel_address(family, 1) for family in families))
    theirs = {}
    for family, host in far.items():
        theirs[family] = device(host, tunnel_address(family, 2))
        ours.add_peer(theirs[family].public_key, f"{tunnel_address(family, 2)}/32", ENDS[family][2])
        theirs[family].add_peer(ours.public_key, f"{tunnel_address(family, 1)}/32")
        wait_until("the tunnel", lambda: near.can_ping(tunnel_address(family, 2)))
    return ours, far, theirs


def choke(host, interface, rate, verb="add"):
    """The limit is beyond what a socket buffers, so that the socket is full before the device."""
    host.run("tc", "qdisc", verb, "dev", interface, "root", "tbf", "rate", rate, "burst", "64kb",
             "limit", "64mb")


def check_nothing_lost_outside(host, underlay, tunnel):
    """What is missing cannot have been lost in the kernel's queues on either side of the device."""
    qdisc = json.loads(host.run("tc", "-s", "-j", "qdisc", "show", "dev", underlay).stdout)[0]
    link = json.loads(host.run("ip", "-s", "-j", "link", "show", tunnel).stdout)[0]
    check(qdisc["drops"] == 0, f"{qdisc['drops']} drops behind the device: the test shows nothing")
    dropped = link["stats64"]["tx"]["dropped"]
    check(dropped == 0, f"{dropped} drops in front of the device: the test shows nothing")


def statistics(made):
    """What the device says of itself when it ends: its counters, and those of drops by reason."""
    check(made.process.stop() == 0, f"{made.name} did not end well")
    line = re.search(r" statistics: (.*)", made.process.text())
    check(line, f"no statistics in the log:\n{made.process.text()}")
    counters = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line.group(1))}
    drops = {name[5:]: count for name, count in counters.items() if name.startswith("drop_")}
    return counters, drops


class Probe:
    """A flow of numbered packets from one host to an address of another."""

    def __init__(self, lab, near, far, address, *send):
        self.record = lab.dir / f"{far.name}-probe.txt"
        self.receiver = far.start("receiver", "python3", PROBE, "receive", address, PORT, self.record)
        wait_until("the receiver", lambda: far.run("ss", "-Hlun", "sport", "=", PORT).stdout)
        self.sender = near.start("probe", "python3", PROBE, "send", address, PORT, *send)

    def wait(self, seconds):
        self.sender.popen.wait(seconds)

    def finish(self):
        """After the last packet has come. Sets sent, and received: (number, sent at, received at)."""
        self.receiver.stop()
        self.sent, refused = (int(word) for word in self.sender.text().split())
        check(refused == 0, f"{refused} packets refused by the sender's kernel")
        self.received = [tuple(int(word) for word in line.split())
                         for line in self.record.read_text().splitlines()]
        numbers = [number for number, _, _ in self.received]
        self.lost = self.sent - len(set(numbers))
        self.duplicated = len(numbers) - len(set(numbers))
        self.reordered = sum(1 for a, b in zip(numbers, numbers[1:]) if b < a)


def netstat(host, name):
    text = host.run("nstat", "-asz", name).stdout
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name)))


def choked(lab):
    near = lab.host("choke")
    ours, far, theirs = connect(lab, near, (4,))
    peer, address = far[4], tunnel_address(4, 2)
    choke(near, "link4", "20mbit")
    # Windows larger than what the socket and the queue hold together, and no guess from the delay:
    # else TCP never fills them.
    near.run("sysctl", "-qw", "net.ipv4.tcp_wmem=4096 16384 8388608")
    peer.run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 16777216")
    server = peer.start("iperf3", "iperf3", "-s", "-B", address)
    wait_until("iperf3", lambda: peer.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    probe = Probe(lab, near, peer, address, 40, 9, 1, 1200, 64, 700, 1000, 300)
    result = json.loads(near.run("iperf3", "-c", address, "-P", "4", "-C", "reno", "-t", "8", "-J",
                                 timeout=90).stdout)["end"]
    wait_until("the queues to drain", lambda: near.can_ping(address), 30)
    server.stop()
    probe.finish()
    check_nothing_lost_outside(near, "link4", ours.interface)
    late = netstat(peer, "TcpExtTCPOFOQueue")
    counters, drops = statistics(ours)
    drops_there = statistics(theirs[4])[1]
    rate = result["sum_received"]["bits_per_second"] / 1e6
    print(f"choked to 20 Mbit/s: {rate:.1f} Mbit/s of TCP, suspended {counters['suspends_ipv4']} times, "
          f"drops {drops}; at the receiver: drops {drops_there}, {late} TCP segments out of order, of "
          f"{probe.sent} probe packets {probe.lost} lost, {probe.reordered} out of order", flush=True)
    check(counters["suspends_ipv4"] > 0, "the socket was always ready: the test shows nothing")
    check(rate > 15, f"only {rate:.1f} Mbit/s of TCP")
    check(not drops and not drops_there, "something was dropped")
    check(late == 0, f"{late} TCP segments came out of order")
    check(probe.lost == probe.duplicated == probe.reordered == 0,
          f"probe packets: {probe.lost} lost, {probe.duplicated} twice, {probe.reordered} out of order")


def shares_in_time(probe, after):
    """Of what was sent after that instant, in each half second: the share that came within 100 ms."""
    total, in_time = {}, {}
    for _, sent, received in probe.received:
        if sent > after:
            slot = (sent - after) // (500 * MILLISECOND)
            total[slot] = total.get(slot, 0) + 1
            in_time[slot] = in_time.get(slot, 0) + (received - sent <= 100 * MILLISECOND)
    return [in_time[slot] / total[slot] for slot in sorted(total)]


def stopped(lab, dead):
    """The uplink of family `dead` stops; the other lives."""
    live = 10 - dead
    near = lab.host(f"stop{dead}-")
    ours, far, theirs = connect(lab, near, (4, 6))
    probes = {live: Probe(lab, near, far[live], tunnel_address(live, 2), 1000, 4)}
    time.sleep(0.5)
    choke(near, f"link{dead}", "1kbit")
    stopped_at = time.monotonic_ns()
    # Fills the socket and then, before that one was not ready for 250 ms, the queue.
    probes[dead] = Probe(lab, near, far[dead], tunnel_address(dead, 2), 45000, 3, 45, 1300)
    for probe in probes.values():
        probe.wait(15)
    # What waits behind the device is let go, so that only what the device dropped is missing.
    choke(near, f"link{dead}", "200mbit", "change")
    wait_until("the dead uplink to live", lambda: near.can_ping(tunnel_address(dead, 2)), 20)
    for probe in probes.values():
        probe.finish()
    check_nothing_lost_outside(near, f"link{dead}", ours.interface)
    counters, drops = statistics(ours)
    drops_there = {reason for made in theirs.values() for reason in statistics(made)[1]}

    late = [sent for _, sent, received in probes[live].received
            if sent > stopped_at and received - sent > 100 * MILLISECOND]
    held_up_at = late[0] if late else stopped_at
    shares = shares_in_time(probes[live], held_up_at + 300 * MILLISECOND)
    slowest = max(received - sent for _, sent, received in probes[live].received) / MILLISECOND
    print(f"IPv{dead} stopped: the IPv{live} peer's packets were delayed by up to {slowest:.0f} ms; from "
          f"300 ms on at least {100 * min(shares, default=0):.1f} % came in time; lost "
          f"{probes[live].lost} of {probes[live].sent}, and {probes[dead].lost} of {probes[dead].sent} "
          f"of the other; drops {drops}", flush=True)
    check(len(shares) >= 4, f"only {len(shares)} half seconds were measured")
    check(min(shares) >= 0.9, f"shares of what came in time, by half seconds: {shares}")
    check(counters[f"suspends_ipv{dead}"] > 0 and drops.get("underlay_stuck", 0) > 0,
          "the queue was never full: the test shows nothing")
    check(probes[live].lost == 0, f"{probes[live].lost} of the live uplink's packets were lost")
    check(drops == {"underlay_stuck": probes[dead].lost} and not drops_there,
          f"{probes[dead].lost} packets were lost, but counted {drops} and {drops_there}")
    for probe in probes.values():
        check(probe.duplicated == probe.reordered == 0,
              f"{probe.duplicated} packets twice, {probe.reordered} out of order")


def body(lab):
    choked(lab)
    for dead in (6, 4):
        stopped(lab, dead)


if __name__ == "__main__":
    main("underlay", body)
