#!/usr/bin/env python3
"""A device of two shards with eight peers, half of them wireguard-go, over IPv4 and IPv6: all reach it
and are reached, numbered flows of super-packets both ways are not reordered; peers roam, restart and
are removed while the others' flows go on; the port moves; an allowed IP moves to a peer of the other
shard; `wg` sees and sets all of it as one device."""
import pathlib
import os
import re
import subprocess

from lab import WireGuardDevice, check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PEERS = 8
PORT = 9000
RATE, BURST, SECONDS = 400, 8, 3  # packets a second and flow, packets to a super-packet
SIZE = 1200


def inner(number):
    return f"10.9.{number}.2"


class Peer:
    """A client on its own host; odd ones come over IPv6."""

    def __init__(self, lab, number, suffix):
        self.lab, self.number = lab, number
        self.host = lab.host(f"c{number}")
        self.interface = f"s{number}{suffix}"
        self.kind = "adit" if number < PEERS // 2 else "wireguard-go"
        self.device = None

    def underlay(self, last):
        self.host.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        self.host.address("eth0", f"192.0.2.{last}/24", f"2001:db8::{last}/64")

    def start(self, gateway, port, private_key=None):
        self.device = WireGuardDevice(self.host, self.interface, self.kind)
        if private_key:
            self.device.private_key = private_key
            self.device.public_key = subprocess.run(
                ["wg", "pubkey"], input=private_key, capture_output=True, text=True,
                check=True).stdout.strip()
        self.device.configure(0, [f"{inner(self.number)}/32"], 1420)
        address = "[2001:db8::1]" if self.number % 2 else "192.0.2.1"
        self.device.add_peer(gateway.public_key, "10.9.255.1/32", f"{address}:{port}")
        self.host.run("ip", "route", "replace", "10.9.255.1", "dev", self.interface)

    def reaches(self):
        return self.host.can_ping("10.9.255.1")


class Flow:
    """Numbered packets from one host to an address of another."""

    def __init__(self, lab, sender, receiver, address, port, seconds=SECONDS):
        self.file = lab.dir / f"flow-{receiver.name}-{port}"
        self.receiver = receiver.start("receiver", "python3", PROBE, "receive", address, port, self.file)
        wait_until("the receiver", lambda: str(port) in receiver.run("ss", "-lunH").stdout)
        self.sender = sender.start("sender", "python3", PROBE, "send", address, port, RATE, seconds,
                                   BURST, SIZE, stdout=subprocess.PIPE, text=True)
        self.name = f"{sender.name} to {receiver.name}"

    def numbers(self):
        return [int(line.split()[0]) for line in self.file.read_text().splitlines()]

    def finish(self):
        """How many were sent, and which came."""
        out, _ = self.sender.popen.communicate(timeout=60)
        sent, refused = map(int, out.split())
        check(refused == 0, f"{self.name}: the kernel refused {refused} packets")
        wait_until("the last packets", lambda: self.settled(), 5)
        self.receiver.stop()
        return sent, self.numbers()

    def settled(self):
        before = self.numbers()
        self.receiver.popen.poll()
        return before and before == self.numbers()

    def check_whole(self):
        sent, came = self.finish()
        check(came == sorted(came), f"{self.name}: packets were reordered")
        check(len(came) == len(set(came)), f"{self.name}: packets came twice")
        check(len(came) == sent, f"{self.name}: {len(came)} of {sent} packets came")


def flows(lab, gateway_host, peers):
    both = []
    for peer in peers:
        both.append(Flow(lab, gateway_host, peer.host, inner(peer.number), PORT))
        both.append(Flow(lab, peer.host, gateway_host, "10.9.255.1", PORT + peer.number))
    return both


def dump(gateway):
    lines = gateway.wg("show", gateway.interface, "dump", check=True).stdout.splitlines()
    return {fields[0]: fields for fields in (line.split("\t") for line in lines[1:])}


def threads(process):
    names = [path.read_text().strip() for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm")]
    return sorted(name for name in names if name.startswith("shard"))


def body(lab):
    suffix = os.getpid() % 10000
    gateway_host = lab.host("gw")
    peers = [Peer(lab, number, suffix) for number in range(PEERS)]
    lab.switch(gateway_host, *(peer.host for peer in peers))
    gateway_host.address("eth0", "192.0.2.1/24", "2001:db8::1/64")
    gateway = WireGuardDevice(gateway_host, f"gw{suffix}", "adit", "--shards", "2")
    gateway.configure(51820, ["10.9.255.1/32"], 1420)
    gateway_host.run("ip", "route", "add", "10.9.0.0/16", "dev", gateway.interface)
    check(threads(gateway.process) == ["shard 0", "shard 1"], f"threads: {threads(gateway.process)}")
    for peer in peers:
        peer.underlay(10 + peer.number)
        peer.start(gateway, 51820)
        gateway.add_peer(peer.device.public_key, f"{inner(peer.number)}/32")

    print("all reach it and are reached", flush=True)
    for peer in peers:
        wait_until(f"peer {peer.number}", peer.reaches)
        check(gateway_host.can_ping(inner(peer.number), 5), f"peer {peer.number} is not reached")
    seen = dump(gateway)
    check(len(seen) == PEERS, f"wg shows {len(seen)} peers")
    for peer in peers:
        fields = seen[peer.device.public_key]
        check(fields[3] == f"{inner(peer.number)}/32" and int(fields[4]) > 0 and int(fields[5]) > 0,
              f"peer {peer.number}: {fields[1:]}")

    print("numbered flows of all peers, both ways", flush=True)
    for flow in flows(lab, gateway_host, peers):
        flow.check_whole()

    print("peers roam and restart, and one is removed, while the others' flows go on", flush=True)
    steady, moving = peers[:4], peers[4:]
    going = flows(lab, gateway_host, steady)
    moving[0].underlay(60)
    moving[1].device.wg("set", moving[1].interface, "listen-port", "0", check=True)
    key = moving[2].device.private_key
    moving[2].device.process.stop()
    moving[2].start(gateway, 51820, key)
    gateway.wg("set", gateway.interface, "peer", moving[3].device.public_key, "remove", check=True)
    for peer in moving[:3]:
        wait_until(f"peer {peer.number}", peer.reaches, 20)
    check(not moving[3].reaches(), "a removed peer still reaches the device")
    for flow in going:
        flow.check_whole()
    check(moving[3].device.public_key not in dump(gateway), "wg shows a removed peer")

    print("one comes again; an allowed IP moves to a peer of the other shard and back", flush=True)
    gateway.add_peer(moving[3].device.public_key, f"{inner(moving[3].number)}/32")
    wait_until("the peer that came again", moving[3].reaches, 20)
    first, second = peers[0], peers[1]
    gateway.add_peer(second.device.public_key, f"{inner(second.number)}/32,{inner(first.number)}/32")
    seen = dump(gateway)
    check(seen[first.device.public_key][3] == "(none)", "the allowed IP has two owners")
    check(not first.reaches(), "a source of another peer was accepted")
    gateway.add_peer(first.device.public_key, f"{inner(first.number)}/32")
    check(dump(gateway)[second.device.public_key][3] == f"{inner(second.number)}/32",
          "the allowed IP has two owners")
    wait_until("the peer that has its allowed IP back", first.reaches)

    print("the port moves, and the device follows its peers there", flush=True)
    gateway.wg("set", gateway.interface, "listen-port", "51999", check=True)
    for peer in peers:
        check(gateway_host.can_ping(inner(peer.number), 5), f"peer {peer.number} is not reached")
        check(peer.reaches(), f"peer {peer.number} does not reach the new port")
    sockets = gateway_host.run("ss", "-lunpH", "sport", "=", ":51999").stdout
    check(sockets.count("adit") == 4, f"not two sockets a family:\n{sockets}")

    check(gateway.process.stop() == 0, "the device did not end well")
    line = re.search(r" statistics: (.*)", gateway.process.text()).group(1)
    drops = dict(re.findall(r"drop_(\w+)=(\d+)", line))
    # What was on its way to and from peers that were gone, restarting or at another address; what the
    # host said before the link was up.
    announced = {"no_peer_for_destination", "source_not_allowed", "unknown_receiver_index",
                 "unknown_peer", "peer_removed", "no_endpoint", "handshake_rate_limited",
                 "link_down"}
    check(set(drops) <= announced, f"drops: {drops}")


if __name__ == "__main__":
    main("shards", body)
