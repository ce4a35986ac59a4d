#!/usr/bin/env python3
"""10,000 idle peers cost memory and nothing else: what they take, what a thousand sessions take, how
often the device wakes, and how long a first packet waits beside them."""
import base64
import os
import pathlib
import re
import statistics
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab import WireGuardDevice, check, main, wait_until
from proc_status import cpu_seconds, rss_anon_kb, wake_ups

SESSIONS = pathlib.Path(__file__).resolve().parent / "noise_sessions.py"
PEERS, WITH_SESSION = 10_000, 1_000
KB_IN_ALL, KB_PER_PEER, KB_PER_SESSION = 12 * 1024, 1.0, 4.0
SECONDS, CPU_SHARE, WAKE_UPS_A_SECOND = 10, 0.005, 2
FIRST_PACKETS = 10


def key_pair():
    private = X25519PrivateKey.generate()
    return (base64.b64encode(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
            base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)))


def idle_cost(pid):
    """(share of a core, wake-ups a second) over some seconds."""
    cpu, woken, began = cpu_seconds(pid), wake_ups(pid), time.monotonic()
    time.sleep(SECONDS)
    took = time.monotonic() - began
    return (cpu_seconds(pid) - cpu) / took, (wake_ups(pid) - woken) / took


def first_packet_ms(a, b, a_host):
    """Median of pings that need a handshake first."""
    times = []
    for _ in range(FIRST_PACKETS):
        # Without the peer there is no session; adding it sends nothing.
        a.wg("set", a.interface, "peer", b.public_key, "remove", check=True)
        a.add_peer(b.public_key, "10.9.0.2/32", "192.0.2.2:51820")
        time.sleep(0.1)  # b answers a peer's initiations 20 times a second at most
        out = a_host.run("ping", "-c1", "-W5", "10.9.0.2").stdout
        times.append(float(re.search(r"time=([\d.]+)", out).group(1)))
    return statistics.median(times)


def body(lab):
    a_host, b_host = lab.host("a"), lab.host("b")
    lab.veth(a_host, b_host)
    a_host.address("eth0", "192.0.2.1/24")
    b_host.address("eth0", "192.0.2.2/24")
    a = WireGuardDevice(a_host, f"id{os.getpid() % 10000}a", "adit")
    b = WireGuardDevice(b_host, f"id{os.getpid() % 10000}b", "adit")
    a.configure(51820, ["10.9.0.1/24"], 1420)
    b.configure(51820, ["10.9.0.2/24"], 1420)
    b.add_peer(a.public_key, "10.9.0.1/32")
    pid = a.process.pid
    alone = first_packet_ms(a, b, a_host)
    empty = rss_anon_kb(pid)

    keys = [key_pair() for _ in range(PEERS)]
    config = "".join(f"[Peer]\nPublicKey = {public.decode()}\nAllowedIPs = 10.{100 + (i >> 8)}.{i & 255}.0/24, "
                     f"fd00:{i:x}::/64\nEndpoint = 192.0.2.7:{1024 + i}\n" for i, (_, public) in enumerate(keys))
    a.wg("addconf", a.interface, "/dev/stdin", input=config, check=True)
    idle = rss_anon_kb(pid)
    per_peer = (idle - empty) / PEERS
    share, woken = idle_cost(pid)
    print(f"{PEERS} peers with two prefixes and an endpoint: RssAnon {empty / 1024:.1f} MB and {per_peer:.2f} KB "
          f"each; {share * 100:.2f} % of a core and {woken:.1f} wake-ups a second while idle")
    check(idle < KB_IN_ALL + PEERS * KB_PER_PEER, f"{idle / 1024:.1f} MB")
    check(share < CPU_SHARE and woken < WAKE_UPS_A_SECOND, f"{share:.4f} of a core, {woken:.1f} wake-ups a second")

    beside = first_packet_ms(a, b, a_host)
    print(f"first packet with a handshake: {alone:.2f} ms alone, {beside:.2f} ms beside {PEERS} peers")
    check(beside < 2 * alone + 2, f"{beside:.2f} ms against {alone:.2f}")

    privates = b"\n".join(private for private, _ in keys[:WITH_SESSION]).decode() + "\n"
    before = rss_anon_kb(pid)
    out = b_host.run("python3", SESSIONS, "192.0.2.1", 51820, a.public_key, input=privates).stdout
    check(int(out) == WITH_SESSION, out)
    per_session = (rss_anon_kb(pid) - before) / WITH_SESSION  # before `wg show`, whose answer is megabytes
    up = a.wg("show", a.interface, "latest-handshakes", check=True).stdout
    sessions = sum(not line.endswith("\t0") for line in up.splitlines())
    check(sessions >= WITH_SESSION, f"{sessions} sessions")
    print(f"{WITH_SESSION} sessions: {per_session:.2f} KB each")
    check(per_session < KB_PER_SESSION, f"{per_session:.2f} KB a session")
    wait_until("a ping beside them", lambda: a_host.can_ping("10.9.0.2"))


main("idle-peers", body)
