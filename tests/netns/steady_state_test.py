#!/usr/bin/env python3
"""The packets' thread allocates nothing in its steady state: real TUN and sockets, TCP both ways and
UDP, a million packets and rekeys, with every call of malloc counted on both sides, the one that
begins a handshake and the one that answers."""
import json
import os
import pathlib
import struct

from lab import BIN, WireGuardDevice, check, main, wait_until

PACKETS = int(os.environ.get("ADIT_STEADY_STATE_PACKETS", "1000000"))
MTU = 1420
# The bytes a segment carries behind its IPv4 and TCP (with timestamps) or UDP header.
TCP_PAYLOAD = MTU - 52
UDP_PAYLOAD = 1000


class SteadyState:
    """The file that a process with steady_state.c preloaded shares with us."""

    def __init__(self, lab, name):
        self.path = lab.dir / f"{name}.steady"
        self.path.write_bytes(bytes(16 + 63 * 16))

    def env(self):
        return {**os.environ, "LD_PRELOAD": str(BIN / "libadit_steady_state.so"),
                "ADIT_STEADY_STATE": str(self.path)}

    def shift_boot_clock(self, seconds):
        with open(self.path, "r+b") as file:
            shift, = struct.unpack("<q", file.read(8))
            file.seek(0)
            file.write(struct.pack("<q", shift + seconds))

    def allocations(self, thread):
        data = self.path.read_bytes()
        count, = struct.unpack_from("<Q", data, 8)
        for slot in range(count):
            number, allocations = struct.unpack_from("<QQ", data, 16 + 16 * slot)
            if number == thread:
                return allocations
        return 0


def thread_of(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    return None


class Side:
    def __init__(self, lab, host, number):
        self.state = SteadyState(lab, host.name)
        self.device = WireGuardDevice(host, f"is{os.getpid() % 10000}{host.name}", "adit",
                                      env=self.state.env())
        # `ip netns exec` is replaced by the device.
        wait_until("the packets' thread", lambda: thread_of(self.device.process.pid, "shard 0"))
        self.thread = thread_of(self.device.process.pid, "shard 0")
        self.device.configure(51820, [f"10.9.0.{number}/24"], MTU)
        host.run("nft", "add table inet watch; "
                 "add chain inet watch out { type filter hook output priority 0; }; "
                 "add rule inet watch out udp length 156 counter")

    def allocations(self):
        return self.state.allocations(self.thread)

    def initiations(self):
        """Sent so far: seen by a packet filter, since asking the device would be work for it."""
        text = self.device.host.run("nft", "-j", "list", "table", "inet", "watch").stdout
        return next(e["counter"]["packets"] for r in json.loads(text)["nftables"] if "rule" in r
                    for e in r["rule"]["expr"] if "counter" in e)


def iperf(a, b, *argv):
    """Bytes that arrived."""
    server = b.device.host.start("iperf3", "iperf3", "-s", "-1", "-B", "10.9.0.2")
    wait_until("iperf3", lambda: b.device.host.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    result = a.device.host.run("iperf3", "-c", "10.9.0.2", "-J", *argv)
    server.popen.wait(5)
    end = json.loads(result.stdout)["end"]
    if "-u" in argv:
        return end["sum"]["bytes"] * (1 - end["sum"]["lost_percent"] / 100)
    return end["sum_received"]["bytes"]


def rekey(a, b):
    """More than REKEY_AFTER_TIME passes: whoever began the session begins another with its next
    packet."""
    before = a.initiations() + b.initiations()
    for side in (a, b):
        side.state.shift_boot_clock(125)
    wait_until("a handshake", lambda: a.device.host.can_ping("10.9.0.2")
               and a.initiations() + b.initiations() > before)


def body(lab):
    a_host, b_host = lab.host("a"), lab.host("b")
    lab.veth(a_host, b_host)
    a_host.address("eth0", "192.0.2.1/24")
    b_host.address("eth0", "192.0.2.2/24")
    a, b = Side(lab, a_host, 1), Side(lab, b_host, 2)
    a.device.add_peer(b.device.public_key, "10.9.0.2/32", "192.0.2.2:51820")
    b.device.add_peer(a.device.public_key, "10.9.0.1/32")
    wait_until("ping", lambda: a_host.can_ping("10.9.0.2"))
    # Warm-up: every kind of traffic, and a rekey.
    for argv in (["-t", "1"], ["-t", "1", "-R"], ["-t", "1", "-u", "-b", "200M", "-l", UDP_PAYLOAD]):
        iperf(a, b, *argv)
    rekey(a, b)
    a_start, b_start = a.allocations(), b.allocations()

    packets, handshakes = 0, a.initiations() + b.initiations()
    while packets < PACKETS:
        packets += iperf(a, b, "-t", "2") / TCP_PAYLOAD
        packets += iperf(a, b, "-t", "2", "-R") / TCP_PAYLOAD
        packets += iperf(a, b, "-t", "1", "-u", "-b", "0", "-l", UDP_PAYLOAD) / UDP_PAYLOAD
        # In the middle of a flow.
        flow = a_host.start("ping", "ping", "-q", "-i", "0.01", "-c", "100", "10.9.0.2")
        rekey(a, b)
        check(flow.popen.wait(20) == 0 and " 0% packet loss" in flow.text(), flow.text())
    a_count, b_count = a.allocations() - a_start, b.allocations() - b_start
    print(f"{packets:.0f} packets, {a.initiations() + b.initiations() - handshakes} rekeys: "
          f"{a_count} and {b_count} allocations")
    check(a_count == 0 and b_count == 0, "the packets' thread allocates")
    # Asking for a report is work for it: the count is live.
    a.device.wg("show", a.device.interface, check=True)
    check(a.allocations() > a_start, "the count does not work")


main("steady-state", body)
