#!/usr/bin/env python3
"""adit-wireguard under wg-quick: up, traffic, save, down; nothing is left behind."""
import os
import pathlib
import subprocess

from lab import BIN, WireGuardDevice, check, main, wait_until


def body(lab):
    a, b = lab.host("a"), lab.host("b")
    lab.veth(a, b)
    a.address("eth0", "192.0.2.1/24")
    b.address("eth0", "192.0.2.2/24")
    other = WireGuardDevice(b, f"iw{os.getpid() % 10000}", "wireguard-go")
    other.configure(51820, ["10.9.0.2/24"], 1420)
    key = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
    public = subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True,
                            check=True).stdout.strip()
    other.add_peer(public, "10.9.0.1/32")
    interface = f"iq{os.getpid() % 10000}"
    config = lab.dir / f"{interface}.conf"
    config.write_text(f"""[Interface]
Address = 10.9.0.1/24
PrivateKey = {key}
MTU = 1400

[Peer]
PublicKey = {other.public_key}
AllowedIPs = 10.9.0.2/32, 10.10.0.0/16
Endpoint = 192.0.2.2:51820
""")
    config.chmod(0o600)
    env = ["env", f"WG_QUICK_USERSPACE_IMPLEMENTATION={BIN}/adit-wireguard"]
    up = a.run(*env, "wg-quick", "up", config)
    check(f"{BIN}/adit-wireguard {interface}" in up.stderr, up.stderr)
    wait_until("ping", lambda: a.can_ping("10.9.0.2"))
    show = a.run("wg", "show", interface).stdout
    check("latest handshake" in show and "transfer" in show, show)
    check("10.10.0.0/16 dev " + interface in a.run("ip", "route").stdout, "route of wg-quick")
    a.run("wg", "set", interface, "peer", other.public_key, "persistent-keepalive", "21")
    a.run(*env, "wg-quick", "save", config)
    saved = config.read_text()
    check("PersistentKeepalive = 21" in saved and f"PrivateKey = {key}" in saved, saved)
    a.run(*env, "wg-quick", "down", config)
    check(a.run("ip", "link", "show", interface, check=False).returncode != 0, "the interface stays")
    wait_until("the socket to go", lambda: not pathlib.Path(
        f"/var/run/wireguard/{interface}.sock").exists())
    wait_until("the process to end", lambda: subprocess.run(
        ["pgrep", "-f", f"adit-wireguard {interface}"]).returncode != 0)
    print("wg-quick up, save and down work; nothing is left")


main("wg-quick", body)
