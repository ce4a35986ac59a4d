#!/usr/bin/env python3
"""No file descriptors left: of the data plane, the control plane and adit-wireguard each, all but two are
taken away while packets pass. Not one packet is lost; who connects beyond that is refused at once and not
kept waiting, and costs no CPU; within a second of getting descriptors back they serve again."""
import os
import pathlib
import re
import socket
import subprocess
import time

from gateway_lab import WIKI, GatewayLab
from lab import WireGuardDevice, check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PORT, RATE = 9000, 1000
TWO = 2


def set_limit(process, text):
    """As the process's own user, who may."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    uid, gid = (re.search(rf"{name}:\s+(\d+)", status).group(1) for name in ("Uid", "Gid"))
    subprocess.run(["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "prlimit", "--pid",
                    str(process.pid), f"--nofile={text}:"], check=True)


def limit(process):
    """Two more descriptors than the greatest may be opened. Returns the limit before, and how many are free."""
    taken = {int(fd.name) for fd in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()}
    text = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
    before = re.search(r"Max open files\s+(\d+)", text).group(1)
    number = max(taken) + 1 + TWO
    set_limit(process, number)
    return before, number - len(taken)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(path):
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    caller.settimeout(2)
    caller.connect(str(path))
    return caller


def is_refused(path):
    """Hung up on within a second, not kept waiting."""
    began = time.monotonic()
    with connect(path) as caller:
        try:
            ended = caller.recv(1) == b""
        except ConnectionResetError:
            ended = True
        except socket.timeout:
            ended = False
    return ended and time.monotonic() - began < 1


def starve(name, process, path, serves, meanwhile=lambda: None):
    before, free = limit(process)
    held = [connect(path) for _ in range(free)]
    time.sleep(0.3)
    spent = cpu_seconds(process.pid)
    refused = sum(is_refused(path) for _ in range(20))
    connect(path).close()
    meanwhile()
    time.sleep(1.5)  # the host is looked at once a second
    spent = cpu_seconds(process.pid) - spent
    for caller in held:
        caller.close()
    set_limit(process, before)
    began = time.monotonic()
    wait_until(f"{name} to serve again", serves, 5, 0.02)
    took = time.monotonic() - began
    print(f"{name}: {refused} of 20 callers refused at once, {spent:.2f} s of CPU meanwhile, serves again after "
          f"{took:.2f} s", flush=True)
    check(refused == 20, "callers were kept waiting")
    check(spent < 0.6, "it spins")
    check(took <= 1, "it does not recover")
    check(process.is_running(), f"{name} ended")


class Traffic:
    """1,000 numbered packets a second meanwhile, of which none may be missing."""

    def __init__(self, lab, near, far, address, seconds):
        self.record = lab.dir / f"{near.name}-probe.txt"
        self.receiver = far.start("receiver", "python3", PROBE, "receive", address, PORT, self.record)
        wait_until("the receiver", lambda: far.run("ss", "-Hlun", "sport", "=", PORT).stdout)
        self.sender = near.start("probe", "python3", PROBE, "send", address, PORT, RATE, seconds)

    def check(self):
        self.sender.popen.wait(30)
        time.sleep(0.2)
        self.receiver.stop()
        sent, refused = (int(word) for word in self.sender.text().split())
        came = len({line.split()[0] for line in self.record.read_text().splitlines()})
        print(f"of {sent} packets {sent - came} lost", flush=True)
        check(sent == came and refused == 0, "packets were lost")


def tables(host):
    return host.run("nft", "-s", "list", "ruleset").stdout


def pair(lab):
    net = GatewayLab(lab, gateway_flags=("--uapi", "on"))
    before = tables(net.gateway)
    traffic = Traffic(lab, net.clients[0], net.wiki, WIKI, 10)
    admin = net.pair.sockets / "admin.sock"
    starve("adit-controlplane", net.pair.controlplane, admin, lambda: net.pair.ctl("status").returncode == 0)
    uapi = pathlib.Path("/var/run/wireguard/adit0.sock")
    starve("adit-dataplane", net.dataplane, uapi,
           lambda: net.gateway.run("wg", "show", "adit0", check=False).returncode == 0,
           lambda: net.gateway.run("ip", "route", "add", "198.51.100.0/24", "dev", "lan0"))
    traffic.check()
    check(tables(net.gateway) == before, f"the nft table is another:\n{before}\n{tables(net.gateway)}")
    net.pair.ctl("policy", "disable", "all", check=True)
    check(not net.clients[0].can_ping(WIKI), "a revocation does not reach the data plane any more")


def standalone(lab):
    a, b = lab.host("a"), lab.host("b")
    lab.veth(a, b)
    made = []
    for number, host in ((1, a), (2, b)):
        host.address("eth0", f"192.0.2.{number}/24")
        made.append(WireGuardDevice(host, f"fd{os.getpid() % 10000}{host.name}", "adit"))
        made[-1].configure(51820, [f"10.9.0.{number}/24"], 1420)
    made[0].add_peer(made[1].public_key, "10.9.0.2/32", "192.0.2.2:51820")
    made[1].add_peer(made[0].public_key, "10.9.0.1/32")
    wait_until("the tunnel", lambda: a.can_ping("10.9.0.2"))
    traffic = Traffic(lab, a, b, "10.9.0.2", 5)
    starve("adit-wireguard", made[0].process, made[0].socket,
           lambda: made[0].wg("show", made[0].interface).returncode == 0)
    traffic.check()


def body(lab):
    lab.expect_warning(r"accept: Too many open files")
    pair(lab)
    standalone(lab)


main("descriptors", body)
