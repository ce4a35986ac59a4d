#!/usr/bin/env python3
"""A device moves under traffic in both directions: its address changes, its uplink changes, its NAT forgets
it and gives it another address and port, its peer's endpoint changes between IPv4 and IPv6. Each time
packets go on within a second (200 ms behind NAT), both ways, and a TCP connection lives. Between two of
our devices, and with wireguard-go as the one that does not move."""
import os
import pathlib
import time

from lab import WireGuardDevice, check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PORT, TCP_PORT, RATE = 9000, 9001, 1000
C, S = "10.9.0.1", "10.9.0.2"
MOVES, PAUSE = 8, 0.35
ECHO = f"""
import socket
server = socket.create_server(("{S}", {TCP_PORT}))
while True:
    connection = server.accept()[0]
    while data := connection.recv(4096):
        connection.sendall(data)
"""
TALK = f"""
import socket, sys, time
talk = socket.create_connection(("{S}", {TCP_PORT}), 10)
talk.settimeout(20)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    talk.sendall(b"hello\\n")
    assert talk.recv(64) == b"hello\\n"
    time.sleep(0.02)
"""


class Net:
    """c has two uplinks to s, and a third behind a NAT; s answers at an address of its own on each family."""

    def __init__(self, lab, kind):
        self.lab = lab
        self.c, self.s, self.nat = (lab.host(f"{name}{kind[0]}") for name in ("c", "s", "n"))
        for number in (0, 1):
            lab.veth(self.c, self.s, f"eth{number}", f"eth{number}")
            self.c.address(f"eth{number}", f"203.0.{113 + number}.2/24", f"2001:db8:{number}::2/64")
            self.s.address(f"eth{number}", f"203.0.{113 + number}.1/24", f"2001:db8:{number}::1/64")
        self.s.address("lo", "198.51.100.1/32", "2001:db8:ffff::1/128")
        self.c.run("sysctl", "-qw", "net.ipv4.conf.eth0.promote_secondaries=1")
        lab.veth(self.c, self.nat, "eth2", "lan0")
        lab.veth(self.nat, self.s, "eth0", "eth2")
        self.c.address("eth2", "192.168.7.2/24")
        self.nat.address("lan0", "192.168.7.1/24")
        self.nat.address("eth0", "192.0.2.9/24")
        self.nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.promote_secondaries=1")
        self.nat.run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }; "
                     "add rule ip nat post oifname eth0 masquerade random")
        self.s.address("eth2", "192.0.2.1/24")
        self.c.run("ip", "route", "add", "192.0.2.1", "via", "192.168.7.1")
        self.route(0)
        self.c.run("ip", "route", "add", "2001:db8:ffff::1", "via", "2001:db8:0::1")
        self.devices = []
        for number, host, made in ((1, self.c, "adit"), (2, self.s, kind)):
            device = WireGuardDevice(host, f"ro{os.getpid() % 10000}{host.name}", made)
            device.configure(51820, [f"10.9.0.{number}/24"], 1420)
            self.devices.append(device)
        self.devices[1].add_peer(self.devices[0].public_key, f"{C}/32")
        self.dial("198.51.100.1:51820")

    def route(self, number):
        self.c.run("ip", "route", "replace", "198.51.100.1", "via", f"203.0.{113 + number}.1")

    def dial(self, endpoint):
        self.devices[0].add_peer(self.devices[1].public_key, f"{S}/32", endpoint)


def moves(net, name, limit, move):
    """Longest silences while move(i) happens again and again."""
    seconds = MOVES * PAUSE + 1
    ends = ((net.c, net.s, S), (net.s, net.c, C))
    probes = []
    for near, far, address in ends:
        record = net.lab.dir / f"{far.name}-{len(net.lab.processes)}.txt"
        receiver = far.start("receiver", "python3", PROBE, "receive", address, PORT, record)
        wait_until("the receiver", lambda: far.run("ss", "-Hlun", "sport", "=", PORT).stdout)
        probes.append((record, receiver, near.start("probe", "python3", PROBE, "send", address, PORT, RATE, seconds)))
    talk = net.c.start("talk", "python3", "-c", TALK, seconds)
    wait_until("the probes", lambda: all(record.exists() and record.stat().st_size for record, _, _ in probes))
    for number in range(MOVES):
        time.sleep(PAUSE)
        move(number)
    silences = []
    for record, receiver, sender in probes:
        sender.popen.wait(20)
        time.sleep(0.1)
        receiver.stop()
        times = [int(line.split()[2]) for line in record.read_text().splitlines()]
        silences.append(max(b - a for a, b in zip(times, times[1:])) / 1e9)
        check(times[-1] > 0 and len(times) > seconds * RATE * 0.5, f"{name}: only {len(times)} packets came")
    alive = talk.popen.wait(40) == 0
    print(f"{net.devices[1].kind}: {name}, {MOVES} times: silent for at most {silences[0] * 1000:.0f} ms forth, "
          f"{silences[1] * 1000:.0f} ms back", flush=True)
    check(max(silences) <= limit, f"{name}: silent for {silences} s")
    check(alive, f"{name}: the TCP connection broke:\n{talk.text()}")


def another_address(net, interface_host, interface, network, numbers):
    def move(number):
        old, new = numbers[number % 2], numbers[1 - number % 2]
        interface_host.run("ip", "addr", "add", f"{network}.{new}/24", "dev", interface)
        interface_host.run("ip", "addr", "del", f"{network}.{old}/24", "dev", interface)
    return move


def body(lab):
    for kind in ("adit", "wireguard-go"):
        net = Net(lab, kind)
        net.s.start("echo", "python3", "-c", ECHO)
        wait_until("the tunnel", lambda: net.c.can_ping(S))
        def address(number):
            another_address(net, net.c, "eth0", "203.0.113", (2, 3))(number)
            net.route(0)  # as DHCP does: the address took its routes along
        moves(net, "another address", 1, address)
        moves(net, "another uplink", 1, lambda number: net.route(1 - number % 2))
        net.route(0)
        moves(net, "IPv4 and IPv6 in turn", 1, lambda number: net.dial(
            ("[2001:db8:ffff::1]:51820", "198.51.100.1:51820")[number % 2]))
        net.dial("192.0.2.1:51820")
        wait_until("the tunnel through NAT", lambda: net.c.can_ping(S))
        moves(net, "NAT rebinding", 0.2, another_address(net, net.nat, "eth0", "192.0.2", (9, 10)))
        for device in net.devices:
            device.process.stop()


main("roam", body)
