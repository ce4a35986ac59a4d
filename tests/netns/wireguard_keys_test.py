#!/usr/bin/env python3
"""No key stays in adit-wireguard's memory once it is gone: private and preshared keys, as bytes and as
the text they came in, after a peer is removed and after the private key is changed. A live key is found
by the same search, in one place."""
import base64
import os
import re
import subprocess

from lab import WireGuardDevice, check, main, wait_until


def occurrences(pid, key):
    """Of the key, as bytes, base64 and hexadecimal of either case, in all of the process's memory."""
    raw = base64.b64decode(key)
    forms = {"bytes": raw, "base64": key.encode().rstrip(b"="), "hex": raw.hex().encode(),
             "HEX": raw.hex().upper().encode()}
    found = {name: 0 for name in forms}
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if not mode.startswith("r") or "[v" in line:
                continue
            memory.seek(int(begin, 16))
            try:
                chunk = memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue
            for name, form in forms.items():
                found[name] += chunk.count(form)
    return found


def new_key(kind):
    return subprocess.run(["wg", kind], capture_output=True, text=True, check=True).stdout.strip()


def clamped(key):
    raw = bytearray(base64.b64decode(key))
    raw[0] &= 248
    raw[31] = (raw[31] & 127) | 64
    return base64.b64encode(raw).decode()


def body(lab):
    a_host, b_host = lab.host("a"), lab.host("b")
    lab.veth(a_host, b_host)
    a_host.address("eth0", "192.0.2.1/24")
    b_host.address("eth0", "192.0.2.2/24")
    a = WireGuardDevice(a_host, f"ik{os.getpid() % 10000}", "adit")
    b = WireGuardDevice(b_host, f"ij{os.getpid() % 10000}", "wireguard-go")
    a.configure(51820, ["10.9.0.1/24"], 1420)
    b.configure(51820, ["10.9.0.2/24"], 1420)
    psk = new_key("genpsk")
    a.add_peer(b.public_key, "10.9.0.2/32", "192.0.2.2:51820", psk)
    b.add_peer(a.public_key, "10.9.0.1/32", None, psk)
    wait_until("ping", lambda: a_host.can_ping("10.9.0.2"))
    a.wg("showconf", a.interface, check=True)  # keys as text, on their way out
    pid = a.process.pid
    private = clamped(a.private_key)

    found = {name: occurrences(pid, key) for name, key in (("psk", psk), ("private", private))}
    for name, counts in found.items():
        check(counts["bytes"] == 1 and sum(counts.values()) == 1,
              f"the live {name} key is in more places than the arena, or in none: {counts}")

    a.wg("set", a.interface, "peer", b.public_key, "remove", check=True)
    counts = occurrences(pid, psk)
    check(sum(counts.values()) == 0, f"the removed peer's preshared key: {counts}")

    a.wg("set", a.interface, "private-key", "/dev/stdin", input=new_key("genkey"), check=True)
    counts = occurrences(pid, private)
    check(sum(counts.values()) == 0, f"the former private key: {counts}")
    print("live keys are in one place, former ones in none")


main("wireguard-keys", body)
