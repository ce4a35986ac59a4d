#!/usr/bin/env python3
"""A sender whose kernel cuts trains wrongly (a preloaded library does it for the kernel): the receiver
says so, once, naming the peer and the remedy, and counts it; with --udp-gso off at the sender nothing is
garbled. A data plane tells its hub."""
import os
import re

from gateway_lab import WIKI, GatewayLab
from lab import WireGuardDevice, bring_up_client, check, main, wait_until

GARBLE = os.environ["ADIT_GARBLE_LIBRARY"]
ALARM = r"of \d+ datagrams of \d+ bytes and the like from peer {} did not decrypt.*--udp-gso off"


def garbling(how):
    return dict(os.environ, LD_PRELOAD=GARBLE, ADIT_GARBLE=how, ADIT_GARBLE_EVERY="20")


def carry(host, peer, address):
    server = peer.start("iperf3", "iperf3", "-s", "-1", "-B", address)
    wait_until("iperf3", lambda: peer.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    host.run("iperf3", "-c", address, "-t", "2")
    server.popen.wait(5)


def statistics(device):
    check(device.process.stop() == 0, f"{device.name} did not end well")
    line = re.search(r" statistics: (.*)", device.process.text()).group(1)
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}


def devices(lab):
    a, b = lab.host("a"), lab.host("b")
    lab.veth(a, b)
    a.address("eth0", "192.0.2.1/24")
    b.address("eth0", "192.0.2.2/24")
    for how, flags, is_told in (("content", [], True), ("cut", [], True), ("content", ["--udp-gso", "off"], False)):
        sender = WireGuardDevice(a, f"ga{os.getpid() % 10000}", "adit", *flags, env=garbling(how))
        receiver = WireGuardDevice(b, f"gb{os.getpid() % 10000}", "adit")
        sender.configure(51820, ["10.9.0.1/24"], 1420)
        receiver.configure(51820, ["10.9.0.2/24"], 1420)
        sender.add_peer(receiver.public_key, "10.9.0.2/32", "192.0.2.2:51820")
        receiver.add_peer(sender.public_key, "10.9.0.1/32")
        wait_until("the tunnel", lambda: a.can_ping("10.9.0.2"))
        carry(a, b, "10.9.0.2")
        sender.process.stop()
        counters = statistics(receiver)
        alarms = re.findall(ALARM.format(re.escape(sender.public_key)), receiver.process.text())
        print(f"{how} {' '.join(flags)}: {len(alarms)} lines; {counters}", flush=True)
        check(len(alarms) == counters.get("garbled_trains", 0) == is_told, "it was not told once, or for nothing")
        garbled = counters.get("drop_decrypt_failed", 0) + counters.get("drop_unknown_message", 0)
        check((garbled > 0) == is_told, f"{garbled} garbled datagrams")


def hub_is_told(lab):
    net = GatewayLab(lab, kinds=("adit",), allow=("all",))
    client = net.devices[0]
    client.process.stop()
    device = WireGuardDevice(net.clients[0], client.interface, "adit", env=garbling("content"))
    bring_up_client(device, net.configs[0])
    wait_until("the tunnel", lambda: net.clients[0].can_ping(WIKI))
    carry(net.clients[0], net.wiki, WIKI)
    wait_until("the hub's line", lambda: "TRAINS_GARBLED" in net.pair.controlplane.text(), 20)
    peer = device.wg("show", device.interface, "public-key", check=True).stdout.strip()
    check(f"datagrams of peer {peer} do not" in net.pair.controlplane.text(), "the hub does not know whose")
    print("the hub's log names the node and the peer", flush=True)


def body(lab):
    lab.expect_warning(r"did not decrypt: the path garbles")
    devices(lab)
    hub_is_told(lab)


main("mis-segmentation", body)
