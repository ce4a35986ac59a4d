#!/usr/bin/env python3
"""Key bytes are searched in the memory of the data plane after `peer delete`, a key change and
SIGTERM: none are left. The same search finds them while they are in use."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys

import memory_search
from gateway_lab import WIKI, GatewayLab
from lab import WireGuardDevice, check, main, wait_until

NOISE_PEER = pathlib.Path(__file__).resolve().parent / "noise_peer.py"


class KnownSession:
    """A session of which the test knows every secret."""

    def __init__(self, host, gateway, port, private, peer_public, psk, source, destination):
        argv = ["ip", "netns", "exec", host.ns, sys.executable, str(NOISE_PEER), gateway, str(port),
                private, peer_public, psk, source, destination]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        check(line, "the handshake failed")
        said = json.loads(line)
        self.first = said["first"]
        self.secrets = {name: bytes.fromhex(value) for name, value in said["secrets"].items()}

    def ping(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def in_use(found, names):
    missing = [name for name in names if name not in found]
    check(not missing, f"the search does not find what is in use: {missing}")


def none_left(found, when):
    check(not found, f"{when}: found {json.dumps(found, indent=1)}")
    print(f"{when}: no key byte is left", flush=True)


def stale(secrets):
    """What a handshake needs and a session does not: never kept."""
    return {name: secrets[name] for name in ("chaining key", "handshake key", "ephemeral-static",
                                             "ephemeral-ephemeral", "static-ephemeral")}


def run_mode(lab):
    net = GatewayLab(lab, allow=("all",))
    pid = net.dataplane.pid
    psk = subprocess.run(["wg", "genpsk"], capture_output=True, text=True, check=True).stdout
    psk_file = lab.dir / "psk"
    psk_file.write_text(psk)
    config = net.pair.create_peer("known", "--psk-file", psk_file)
    net.pair.ctl("policy", "create", "known", "--peer", "known", "--resource", "wiki", check=True)

    def connect():
        address = next(a for a in config["Address"].replace(",", " ").split() if "." in a)
        session = KnownSession(net.clients[0], "203.0.113.2", 51820, config["PrivateKey"],
                               config["PublicKey"], psk.strip(), address.split("/")[0], WIKI)
        check(session.first == "answered", "the known session carries nothing")
        return session

    session = connect()
    secrets = dict(session.secrets, psk=base64.b64decode(psk))
    in_use(memory_search.find(pid, secrets), ["session send", "session receive", "psk", "static-static"])
    print("control search: keys in use are found", flush=True)
    none_left(memory_search.find(pid, stale(secrets)), "after the handshake, of the handshake")

    net.pair.ctl("peer", "rotate", "known", "--out", lab.dir / "known-2.conf", "--psk-file",
                 "generate", check=True)
    check(session.ping() == "silent", "the old key still works")
    none_left(memory_search.find(pid, secrets), "after peer rotate")
    session.close()

    from lab import read_wg_quick
    config = read_wg_quick(lab.dir / "known-2.conf")
    psk = config["PresharedKey"]
    session = connect()
    secrets = dict(session.secrets, psk=base64.b64decode(psk))
    in_use(memory_search.find(pid, secrets), ["session send", "session receive", "psk"])
    net.pair.ctl("peer", "delete", "known", check=True)
    check(session.ping() == "silent", "a deleted peer still works")
    none_left(memory_search.find(pid, secrets), "after peer delete")
    session.close()

    config = net.pair.create_peer("known-again", "--psk-file", psk_file)
    psk = psk_file.read_text().strip()
    net.pair.ctl("policy", "update", "known", "--peer", "known-again", check=False)
    net.pair.ctl("policy", "create", "again", "--peer", "known-again", "--resource", "wiki", check=True)
    session = connect()
    own = pathlib.Path(lab.dir / "state-gw" / "private.key").read_text().strip()
    secrets = dict(session.secrets, psk=base64.b64decode(psk), private=base64.b64decode(own))
    in_use(memory_search.find(pid, secrets), ["session send", "session receive", "psk", "private"])
    found = memory_search.at_exit(pid, lambda: os.kill(pid, signal.SIGTERM),
                                  lambda: memory_search.find(pid, secrets))
    none_left(found, "after SIGTERM")
    session.close()


def standalone(lab):
    a, b = lab.host("a"), lab.host("b")
    lab.veth(a, b)
    a.address("eth0", "192.0.2.1/24")
    b.address("eth0", "192.0.2.2/24")
    device = WireGuardDevice(a, f"kr{os.getpid() % 10000}", "adit")
    device.configure(51820, ["10.9.0.1/24"], 1420)
    pid = device.process.pid
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
    public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True,
                            check=True).stdout.strip()
    device.add_peer(public, "10.9.0.2/32")
    session = KnownSession(b, "192.0.2.1", 51820, private, device.public_key, "", "10.9.0.2", "10.9.0.1")
    check(session.first == "answered", "the known session carries nothing")
    secrets = dict(session.secrets, private=base64.b64decode(device.private_key))
    in_use(memory_search.find(pid, secrets), ["session send", "session receive", "private"])
    fresh = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    device.wg("set", device.interface, "private-key", "/dev/stdin", input=fresh, check=True)
    # The session's receiving half lives on for what is on its way, as in the kernel's WireGuard.
    gone = {name: secrets[name] for name in ("private", "static-static")}
    none_left(memory_search.find(pid, gone), "after wg set private-key")
    device.wg("set", device.interface, "peer", public, "remove", check=True)
    none_left(memory_search.find(pid, secrets), "after wg set peer remove")
    session.close()


def body(lab):
    run_mode(lab)
    standalone(lab)


main("key-residue", body)
