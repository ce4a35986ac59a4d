#!/usr/bin/env python3
"""adit-wireguard follows its interface and its host: link down and up, MTU, the underlay's addresses
and routes, a loop through its own tunnel, firewall mark and listen port; and it carries traffic with
every offload switched off."""
import json
import os
import pathlib
import time

from lab import WireGuardDevice, check, main, wait_until


class Side:
    def __init__(self, lab, host, number, kind, *flags):
        self.host = host
        self.device = WireGuardDevice(host, f"il{os.getpid() % 10000}{host.name}", kind, *flags)
        self.device.configure(51820, [f"10.9.0.{number}/24", f"fd09::{number}/64"], 1420)
        self.interface = self.device.interface


def connect(a, b):
    a.device.add_peer(b.device.public_key, "10.9.0.2/32,fd09::2/128", "192.0.2.2:51820")
    b.device.add_peer(a.device.public_key, "10.9.0.1/32,fd09::1/128", "192.0.2.1:51820")
    wait_until("ping", lambda: a.host.can_ping("10.9.0.2") and a.host.can_ping("fd09::2"))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def iperf(a, b, *argv):
    server = b.host.start("iperf3", "iperf3", "-s", "-1", "-B", "10.9.0.2")
    wait_until("iperf3", lambda: b.host.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    result = a.host.run("iperf3", "-c", "10.9.0.2", "-t", "1", "-J", *argv)
    server.popen.wait(5)
    return json.loads(result.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


def check_link(a):
    a.host.run("ip", "link", "set", a.interface, "down")
    check(not a.host.can_ping("10.9.0.2"), "traffic on an interface that is down")
    a.host.run("ip", "link", "set", a.interface, "up")
    a.host.run("ip", "addr", "replace", "fd09::1/64", "dev", a.interface, "nodad")
    wait_until("ping after the link came up", lambda: a.host.can_ping("10.9.0.2"), 6)
    for mtu in (1280, 1500, 1420):
        a.host.run("ip", "link", "set", a.interface, "mtu", mtu)
        a.host.run("ping", "-q", "-c", "1", "-W", "2", "-M", "do", "-s", mtu - 28, "10.9.0.2")


def check_underlay(a):
    """The address that packets left from goes away: others take over within a ping or two."""
    a.host.run("sysctl", "-q", "-w", "net.ipv4.conf.eth0.promote_secondaries=1")
    a.host.run("ip", "addr", "add", "192.0.2.3/24", "dev", "eth0")
    a.host.run("ip", "addr", "del", "192.0.2.1/24", "dev", "eth0")
    wait_until("ping from another address", lambda: a.host.can_ping("10.9.0.2"), 6)
    a.host.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    a.host.run("ip", "addr", "del", "192.0.2.3/24", "dev", "eth0")
    wait_until("ping from the first address", lambda: a.host.can_ping("10.9.0.2"), 6)
    a.host.run("ip", "link", "set", "eth0", "down")
    check(not a.host.can_ping("10.9.0.2"), "no underlay")
    a.host.run("ip", "link", "set", "eth0", "up")
    wait_until("ping after the underlay came back", lambda: a.host.can_ping("10.9.0.2"), 8)


def check_loop(a, b):
    """The peer's endpoint is routed into the tunnel: our datagrams come back to us and are dropped."""
    a.device.wg("set", a.interface, "peer", b.device.public_key, "allowed-ips",
                "10.9.0.2/32,fd09::2/128,192.0.2.2/32", check=True)
    a.host.run("ip", "route", "add", "192.0.2.2/32", "dev", a.interface)
    before = cpu_seconds(a.device.process.pid)
    check(not a.host.can_ping("10.9.0.2", 2), "a ping through a loop")
    spent = cpu_seconds(a.device.process.pid) - before
    check(spent < 0.2, f"the loop costs {spent} s of CPU")
    a.host.run("ip", "route", "del", "192.0.2.2/32", "dev", a.interface)
    wait_until("ping after the loop", lambda: a.host.can_ping("10.9.0.2"), 8)


def check_port_and_mark(a):
    a.device.wg("set", a.interface, "listen-port", "40010", "fwmark", "0x77", check=True)
    wait_until("ping from another port", lambda: a.host.can_ping("10.9.0.2"), 6)
    a.host.run("nft", "add table inet marks; "
               "add chain inet marks out { type filter hook output priority 0; }; "
               "add rule inet marks out udp sport 40010 meta mark 0x77 counter; ")
    a.host.run("ping", "-q", "-c", "3", "-i", "0.1", "10.9.0.2")
    check("packets 0" not in a.host.run("nft", "list", "table", "inet", "marks").stdout, "no mark")
    a.device.wg("set", a.interface, "fwmark", "0", "listen-port", "51820", check=True)
    wait_until("ping", lambda: a.host.can_ping("10.9.0.2"), 6)


def body(lab):
    a_host, b_host = lab.host("a"), lab.host("b")
    lab.veth(a_host, b_host)
    a_host.address("eth0", "192.0.2.1/24")
    b_host.address("eth0", "192.0.2.2/24")
    a, b = Side(lab, a_host, 1, "adit"), Side(lab, b_host, 2, "wireguard-go")
    connect(a, b)
    check_link(a)
    check_underlay(a)
    check_port_and_mark(a)
    check_loop(a, b)
    a.device.process.stop()
    b.device.process.stop()
    for flags in (["--udp-gso", "off"], ["--udp-gro", "off"], ["--tun-offload", "off"],
                  ["--udp-gso", "off", "--udp-gro", "off", "--tun-offload", "off"],
                  ["--aead", "libsodium"], ["--aead", "openssl"]):
        a, b = Side(lab, a_host, 1, "adit", *flags), Side(lab, b_host, 2, "adit", *flags)
        connect(a, b)
        rates = [iperf(a, b), iperf(a, b, "-R")]
        print(f"{' '.join(flags)}: {rates[0]:.0f} and {rates[1]:.0f} Mbit/s", flush=True)
        check(min(rates) > 20, f"{flags}: {rates}")
        a.device.process.stop()
        b.device.process.stop()


main("wireguard-link", body)
