"""What the kernel's own tests of WireGuard ask, made of two hosts with a device each: a pair of ours,
and ours with wireguard-go in either role."""
import itertools
import json
import os

from lab import WireGuardDevice, check, wait_until

PAIRS = [("adit", "adit"), ("adit", "wireguard-go"), ("wireguard-go", "adit")]
_numbers = itertools.count()


class Side:
    """A host with a device wgN that has the inner addresses 10.9.0.NUMBER and fd09::NUMBER."""

    def __init__(self, lab, kind, number, port, up=True, mtu=1420):
        self.host = lab.host(f"h{next(_numbers)}")
        self.kind, self.number, self.port = kind, number, port
        self.host.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                      "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                      "net.ipv4.conf.default.promote_secondaries=1")
        self.device = self.add_device(kind)
        self.interface = self.device.interface
        self.inner4, self.inner6 = f"10.9.0.{number}", f"fd09::{number}"
        if up:
            self.device.configure(port, [f"{self.inner4}/24", f"{self.inner6}/64"], mtu)

    def add_device(self, kind):
        return WireGuardDevice(self.host, f"k{os.getpid() % 100000}x{next(_numbers)}", kind)

    def add_peer(self, other, **kwargs):
        self.device.add_peer(other.device.public_key, f"{other.inner4}/32,{other.inner6}/128", **kwargs)

    def set_peer(self, other, *argv):
        self.device.wg("set", self.interface, "peer", other.device.public_key, *argv, check=True)

    def endpoint_of(self, other):
        for line in self.device.wg("show", self.interface, "endpoints").stdout.splitlines():
            key, endpoint = line.split("\t")
            if key == other.device.public_key:
                return endpoint
        return None

    def sent_bytes(self):
        return sum(int(line.split("\t")[2])
                   for line in self.device.wg("show", self.interface, "transfer").stdout.splitlines())

    def stop(self):
        self.device.process.stop()


def two(lab, kinds, mtu=1420):
    a, b = Side(lab, kinds[0], 1, 10001, mtu=mtu), Side(lab, kinds[1], 2, 10002, mtu=mtu)
    a.add_peer(b)
    b.add_peer(a)
    return a, b


def expect_ping(what, a, target, seconds=2):
    wait_until(f"{what}: {a.kind} pings {target}", lambda: a.host.can_ping(target), seconds)


def expect_ping_at_once(what, a, target):
    check(a.host.can_ping(target), f"{what}: {a.kind}'s first ping of {target} is not answered")


def expect_endpoint(what, a, b, endpoint, seconds=1):
    """a sees b at that endpoint."""
    def is_there():
        return a.endpoint_of(b) == endpoint
    try:
        wait_until(what, is_there, seconds)
    except Exception as error:
        raise type(error)(f"{what}: {a.kind} sees {b.kind} at {a.endpoint_of(b)}, not {endpoint}") from error


def iperf(server, client, address, *argv, seconds=1):
    """Mbit/s that arrive at the server's inner address."""
    process = server.host.start("iperf3", "iperf3", "-s", "-1", "-B", address)
    wait_until("iperf3", lambda: server.host.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    result = client.host.run("iperf3", "-c", address, "-t", seconds, "-J", *argv, check=False)
    process.popen.wait(10)
    check(result.returncode == 0, f"iperf3 {argv}: {result.stdout[-300:]}")
    end = json.loads(result.stdout)["end"]
    total = end["sum_received"] if "sum_received" in end else end["sum"]
    return total["bits_per_second"] / 1e6 * (1 - total.get("lost_percent", 0) / 100)


def each_pair(lab, *scenarios):
    for kinds in PAIRS:
        for scenario in scenarios:
            print(f"{kinds[0]} with {kinds[1]}: {scenario.__doc__}", flush=True)
            started = len(lab.processes)
            scenario(lab, kinds)
            for process in lab.processes[started:]:
                if process.is_running():
                    process.stop()
