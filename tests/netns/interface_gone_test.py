#!/usr/bin/env python3
"""Somebody deletes the tunnel's interface. `adit-dataplane run` makes it again, with addresses, routes, MTU,
nft table and forwarding: traffic goes on within a second under the same sessions, and a TCP connection
lives. Where a living process has taken the name it ends, and says so. adit-wireguard ends, as
wireguard-go does, and takes its socket with it."""
import json
import os
import pathlib
import signal
import time

from gateway_lab import WIKI, WIKI6, GatewayLab
from lab import WireGuardDevice, check, main, refused, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PORT, TCP_PORT = 9000, 9001
RATE = 1000
DELETIONS = 5
ECHO = f"""
import socket
server = socket.create_server(("0.0.0.0", {TCP_PORT}))
while True:
    connection = server.accept()[0]
    while data := connection.recv(4096):
        connection.sendall(data)
"""
# One connection for all: a line asked for, a line answered.
TALK = f"""
import socket, sys
talk = socket.create_connection(("{WIKI}", {TCP_PORT}), 10)
talk.settimeout(10)
for number in range(int(sys.argv[1])):
    talk.sendall(b"%d\\n" % number)
    assert talk.recv(64) == b"%d\\n" % number
    print(number, flush=True)
    __import__("time").sleep(0.05)
"""
# Takes the name and keeps it.
TAKE = """
import fcntl, os, struct, sys, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"adit0", 0x1001))
print("taken", flush=True)
time.sleep(60)
"""


def description(host):
    """What was set up on the host, without what counts or changes by itself."""
    def listed(*argv):
        return json.loads(host.run("ip", "-j", *argv).stdout)
    link = listed("link", "show", "adit0")[0]
    addresses = sorted((a["local"], a["prefixlen"]) for a in listed("addr", "show", "adit0")[0]["addr_info"]
                       if a["scope"] == "global")
    routes = sorted(r["dst"] for family in ("-4", "-6")
                    for r in json.loads(host.run("ip", family, "-j", "route", "show", "dev", "adit0").stdout)
                    if r["dst"] != "fe80::/64")
    forwards = [host.run("sysctl", "-n", f"net.ipv4.conf.{name}.forwarding").stdout for name in ("adit0", "lan0")]
    nft = host.run("nft", "list", "tables").stdout
    return {"mtu": link["mtu"], "txqlen": link["txqlen"], "up": "UP" in link["flags"],
            "addresses": addresses, "routes": routes, "forwards": forwards, "nft": nft}


def handshakes(device):
    return device.wg("show", device.interface, "latest-handshakes", check=True).stdout


def deleted(lab, net):
    gateway, client = net.gateway, net.clients[0]
    before = description(gateway)
    record = lab.dir / "probe.txt"
    receiver = net.wiki.start("receiver", "python3", PROBE, "receive", WIKI, PORT, record)
    net.wiki.start("echo", "python3", "-c", ECHO)
    wait_until("the servers", lambda: net.wiki.run("ss", "-Hltun", "sport", "=", PORT).stdout and
               net.wiki.run("ss", "-Hltun", "sport", "=", TCP_PORT).stdout)
    session = handshakes(net.devices[0])
    talk = client.start("talk", "python3", "-c", TALK, 80 * DELETIONS)
    sender = client.start("probe", "python3", PROBE, "send", WIKI, PORT, RATE, DELETIONS + 1)
    wait_until("the probe", lambda: record.exists() and record.stat().st_size > 0)
    for number in range(DELETIONS):
        time.sleep(0.9)
        gateway.run("ip", "link", "delete", "adit0")
    sender.popen.wait(20)
    check(talk.popen.wait(60) == 0, f"the TCP connection did not live:\n{talk.text()}")
    receiver.stop()
    received = [tuple(int(word) for word in line.split()) for line in record.read_text().splitlines()]
    gaps = sorted(b[2] - a[2] for a, b in zip(received, received[1:]))[-DELETIONS:]
    numbers = [number for number, _, _ in received]
    lost = int(sender.text().split()[0]) - len(set(numbers))
    print(f"{DELETIONS} deletions: no packet for at most {[gap // 1_000_000 for gap in gaps]} ms; {lost} of "
          f"{sender.text().split()[0]} packets lost", flush=True)
    check(gaps[-1] < 1_000_000_000, "more than a second without the interface")
    check(len(numbers) == len(set(numbers)) and numbers == sorted(numbers), "packets twice or out of order")
    check(handshakes(net.devices[0]) == session, "the session did not outlive the interface")
    check(net.dataplane.is_running(), "the data plane ended")
    wait_until("the same set-up", lambda: description(gateway) == before)
    for target in (WIKI, WIKI6):
        wait_until(f"ping {target}", lambda: client.can_ping(target), 5)
    # Deleted again before it is whole.
    for _ in range(3):
        gateway.run("ip", "link", "delete", "adit0", check=False)
    wait_until("the same set-up after three at once", lambda: description(gateway) == before)
    wait_until("ping", lambda: client.can_ping(WIKI), 5)
    check(net.pair.node("gw")["state"] == "CONNECTED", "the channel was lost")
    net.pair.ctl("policy", "disable", "all", check=True)
    check(not client.can_ping(WIKI), "a revocation is not in force on the interface that was made again")
    net.pair.ctl("policy", "enable", "all", check=True)
    check(client.can_ping(WIKI), "nor a permission")
    print("addresses, routes, NAT and grants are as before; the session and a TCP connection lived", flush=True)


def taken(lab, net):
    gateway = net.gateway
    pid = int(gateway.run("pgrep", "-P", net.dataplane.pid, check=False).stdout or net.dataplane.pid)
    os.kill(pid, signal.SIGSTOP)
    gateway.run("ip", "link", "delete", "adit0")
    thief = gateway.start("thief", "python3", "-c", TAKE)
    wait_until("the other process", lambda: "taken" in thief.text())
    os.kill(pid, signal.SIGCONT)
    check(net.dataplane.popen.wait(10) == 1, "it should end with status 1")
    check("another running process holds it" in net.dataplane.text(), net.dataplane.text()[-500:])
    refused(gateway, net.pair.dataplane_argv("gw"), 1, "adit0", "another running process holds it")
    thief.stop()
    print("a name that another process holds is an error that says so, while running and at the start", flush=True)


def standalone(lab, kind):
    host = lab.host(f"s{kind[0]}")
    device = WireGuardDevice(host, f"ig{os.getpid() % 10000}{kind[0]}", kind)
    host.run("ip", "link", "delete", device.interface)
    status = device.process.popen.wait(5)
    wait_until(f"the end of {kind}'s socket", lambda: not device.socket.exists())
    return status


def body(lab):
    lab.expect_warning(r"somebody deleted adit0")
    net = GatewayLab(lab)
    deleted(lab, net)
    taken(lab, net)
    theirs, ours = standalone(lab, "wireguard-go"), standalone(lab, "adit")
    check(theirs == ours == 0, f"wireguard-go ends with {theirs}, adit-wireguard with {ours}")
    print("adit-wireguard ends with its interface, as wireguard-go does", flush=True)


main("interface-gone", body)
