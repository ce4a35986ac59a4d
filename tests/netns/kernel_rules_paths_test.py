#!/usr/bin/env python3
"""Where a device's packets leave from and go to, as the kernel's own tests of WireGuard ask it, of a
pair of ours and of ours with wireguard-go: answers leave from the address that was dialled, and from
another at once when that vanishes or a better route leads elsewhere; both families; roaming; NAT."""
from kernel_rules import (each_pair, expect_endpoint, expect_ping, expect_ping_at_once, iperf, two)
from lab import check, main


def cable(lab, a, b, name="eth0", addresses_a=(), addresses_b=()):
    lab.veth(a.host, b.host, name, name)
    a.host.address(name, *addresses_a)
    b.host.address(name, *addresses_b)


def leaves_an_address_that_vanishes(lab, kinds):
    """an own address goes, another is there: the next packet leaves from it"""
    a, b = two(lab, kinds)
    cable(lab, a, b, addresses_a=["10.0.0.1/24", "fd00:aa::1/96"], addresses_b=["10.0.0.2/24", "fd00:aa::2/96"])
    a.set_peer(b, "endpoint", "10.0.0.2:10002")
    expect_ping("before", a, b.inner4)
    a.host.address("eth0", "10.0.0.10/24")
    a.host.run("ip", "addr", "del", "10.0.0.1/24", "dev", "eth0")
    if a.kind == "adit":
        expect_ping_at_once("IPv4 address removed", a, b.inner4)
        expect_endpoint("IPv4 address removed", b, a, "10.0.0.10:10001")
    a.set_peer(b, "endpoint", "[fd00:aa::2]:10002")
    expect_ping("over IPv6", a, b.inner4)
    a.host.address("eth0", "fd00:aa::10/96")
    a.host.run("ip", "addr", "del", "fd00:aa::1/96", "dev", "eth0")
    if a.kind == "adit":
        expect_ping_at_once("IPv6 address removed", a, b.inner4)
        expect_endpoint("IPv6 address removed", b, a, "[fd00:aa::10]:10001")


def answers_from_what_was_dialled(lab, kinds):
    """a host of several addresses answers from the one that was dialled, trains too"""
    a, b = two(lab, kinds)
    cable(lab, a, b, addresses_a=["10.0.0.1/24", "10.0.0.2/24", "fd00:aa::1/96", "fd00:aa::2/96"],
          addresses_b=["10.0.0.3/24", "fd00:aa::3/96"])
    # One that is not of the cable.
    a.host.run("ip", "link", "add", "inside", "type", "bridge")
    a.host.run("ip", "link", "set", "inside", "up")
    a.host.address("inside", "10.50.0.1/24")
    b.host.run("ip", "route", "add", "10.50.0.0/24", "dev", "eth0")
    for endpoint in ("10.0.0.1:10001", "[fd00:aa::1]:10001", "10.0.0.2:10001", "[fd00:aa::2]:10001", "10.50.0.1:10001"):
        b.set_peer(a, "endpoint", endpoint)
        expect_ping(endpoint, b, a.inner4)
        if a.kind != "adit":
            continue
        expect_endpoint(endpoint, b, a, endpoint)
        iperf(a, b, a.inner4)
        expect_endpoint(f"{endpoint} after trains", b, a, endpoint)
        # What happens to other addresses and routes is no reason to leave it.
        a.host.run("ip", "link", "add", "other", "type", "bridge")
        a.host.address("other", "10.60.0.1/24")
        a.host.run("ip", "link", "set", "other", "up")
        a.host.run("ip", "link", "del", "other")
        expect_ping_at_once(f"{endpoint} after other routes changed", a, b.inner4)
        expect_endpoint(f"{endpoint} after other routes changed", b, a, endpoint)


def follows_a_better_route(lab, kinds):
    """a route over another interface takes precedence: packets leave from that one's address"""
    a, b = two(lab, kinds)
    cable(lab, a, b, "eth0", ["10.0.0.1/24"], ["10.0.0.2/24"])
    cable(lab, a, b, "eth1", ["10.0.0.3/24"])
    for name in ("eth0", "eth1"):
        a.host.run("ip", "route", "flush", "dev", name)
    a.host.run("ip", "route", "add", "10.0.0.0/24", "dev", "eth0", "src", "10.0.0.1", "metric", "2")
    a.set_peer(b, "endpoint", "10.0.0.2:10002")
    expect_ping("first route", a, b.inner4)
    expect_endpoint("first route", b, a, "10.0.0.1:10001")
    a.host.run("ip", "route", "add", "10.0.0.0/24", "dev", "eth1", "src", "10.0.0.3", "metric", "1")
    expect_ping_at_once("better route", a, b.inner4)
    if a.kind == "adit":
        expect_endpoint("better route", b, a, "10.0.0.3:10001")


def roams(lab, kinds):
    """each side follows the other's port, address and family"""
    a, b = two(lab, kinds)
    cable(lab, a, b, addresses_a=["10.0.0.1/24", "fd00:aa::1/96"], addresses_b=["10.0.0.2/24", "fd00:aa::2/96"])
    a.set_peer(b, "endpoint", "10.0.0.2:10002")
    expect_ping("first", a, b.inner4)
    for port, endpoint, seen in ((9999, "10.0.0.2:10002", "10.0.0.1:9999"),
                                 (9998, "[fd00:aa::2]:10002", "[fd00:aa::1]:9998")):
        a.device.wg("set", a.interface, "listen-port", str(port), check=True)
        a.set_peer(b, "endpoint", endpoint)
        expect_ping_at_once(f"port {port}", a, b.inner6)
        expect_endpoint(f"port {port}", b, a, seen)
        expect_ping_at_once(f"port {port}, back", b, a.inner4)


def stays_reachable_behind_nat(lab, kinds):
    """behind a NAT that forgets after two seconds, a keepalive a second keeps the way open"""
    a, b = two(lab, kinds)
    router = lab.host(f"r{a.host.name}")
    lab.veth(router, a.host, "lan0", "eth0")
    lab.veth(router, b.host, "wan0", "eth0")
    router.address("lan0", "192.168.1.1/24")
    router.address("wan0", "10.0.0.1/24")
    a.host.address("eth0", "192.168.1.100/24")
    b.host.address("eth0", "10.0.0.100/24")
    a.host.run("ip", "route", "add", "default", "via", "192.168.1.1")
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router.run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
               "add rule ip nat post ip saddr 192.168.1.0/24 oif wan0 snat to 10.0.0.1")
    router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=2",
               "net.netfilter.nf_conntrack_udp_timeout_stream=2")
    a.set_peer(b, "endpoint", "10.0.0.100:10002", "persistent-keepalive", "1")
    expect_ping("out", a, b.inner4)
    expect_endpoint("out", b, a, "10.0.0.1:10001")
    # Longer than the NAT remembers; then nobody but b speaks.
    text = b.host.run("ping", "-q", "-i", "3", "-c", "2", "-W", "1", a.inner4).stdout
    check(" 0% packet loss" in text, f"the way back through the NAT: {text}")
    a.set_peer(b, "persistent-keepalive", "0")


def body(lab):
    each_pair(lab, leaves_an_address_that_vanishes, answers_from_what_was_dialled, follows_a_better_route, roams,
              stays_reachable_behind_nat)


main("kernel-rules-paths", body)
