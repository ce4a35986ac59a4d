#!/usr/bin/env python3
"""adit-wireguard where it cannot work: each time a clear error that says what to do, the exit status
that scripts rely on, and a device that goes on as before. Then every way to end it."""
import os
import pathlib
import signal
import socket
import time

from lab import BIN, WireGuardDevice, check, main, refused, wait_until

PROGRAM = BIN / "adit-wireguard"


def check_start(host, name, live):
    other = name + "x"
    refused(host, [PROGRAM], 2, "IFNAME")
    refused(host, [PROGRAM, "--bogus", other], 2, "--bogus", "--help")
    refused(host, [PROGRAM, "--mtu", "12", other], 2, "--mtu", "12", "576")
    refused(host, [PROGRAM, "--udp-gso", "maybe", other], 2, "--udp-gso", "maybe", "auto")
    refused(host, [PROGRAM, "--shards", "0", other], 2, "--shards", "0", "1 to 64")
    refused(host, [PROGRAM, "--shards", "65", other], 2, "--shards", "65", "1 to 64")
    refused(host, [PROGRAM, "--aead", "rot13", other], 1, "rot13", "libsodium")
    refused(host, [PROGRAM, "not/a/name"], 1, "not/a/name")
    refused(host, [PROGRAM, "a-name-of-16-byt"], 1, "15 bytes")
    refused(host, [PROGRAM, "lo"], 1, "lo", "choose another name")
    # A second one on the same interface, in the background and in the foreground.
    refused(host, [PROGRAM, name], 1, name, "running process", "another name")
    refused(host, [PROGRAM, "-f", name], 1, name, "running process", "another name")
    refused(host, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", PROGRAM, other],
            1, "/dev/net/tun", "start as root")
    refused(host, ["setpriv", "--bounding-set", "-net_admin", PROGRAM, other],
            1, "CAP_NET_ADMIN")
    refused(host, ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none /dev && exec {PROGRAM} {other}"],
            1, "/dev/net/tun", "modprobe tun")
    check(live.is_running(), "the first device has ended")
    check(host.run("ip", "link", "show", other, check=False).returncode != 0, f"{other} stays")
    check(not pathlib.Path(f"/var/run/wireguard/{other}.sock").exists(), "a socket stays")


def check_set(host, device):
    """What `wg` is told when a set cannot be applied, and that it changes nothing."""
    name = device.interface
    device.wg("set", name, "listen-port", "40007", check=True)
    with_socket = host.start("holder", "python3", "-c",
                             "import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM);"
                             "s.bind(('::',40008)); time.sleep(60)")
    wait_until("the port to be busy", lambda: ":40008" in host.run("ss", "-Hlun").stdout)
    busy = device.wg("set", name, "listen-port", "40008", "fwmark", "7")
    check(busy.returncode == 1 and "Address already in use" in busy.stderr, f"busy: {busy.stderr}")
    check(device.wg("show", name, "listen-port").stdout.strip() == "40007", "the port has changed")
    check(device.wg("show", name, "fwmark").stdout.strip() == "off", "the mark has changed")
    with_socket.kill()
    device.wg("set", name, "listen-port", "40008", check=True)

    before = device.wg("showconf", name, check=True).stdout
    for text, errno in [
            (b"set=1\nlisten_port=1\nlisten_port=99999\n\n", -22),
            (b"set=1\nlisten_port=1\npublic_key=zz\n\n", -22),
            (b"set=1\nlisten_port=1\n" + b"x" * 5000 + b"\n\n", -22),
            (b"set=1\n\xff\x00=\x01\n\n", -22),
            (b"\n", -22),
    ]:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(device.socket))
            raw.sendall(text)
            answer = raw.recv(100)
            check(answer == f"errno={errno}\n\n".encode(), f"{text[:60]}: {answer}")
    with socket.socket(socket.AF_UNIX) as raw:  # cut in the middle of a line
        raw.connect(str(device.socket))
        raw.sendall(b"set=1\nlisten_port=123")
        raw.shutdown(socket.SHUT_WR)
        check(raw.recv(100) == b"errno=-71\n\n", "a request that is cut off")
    check(device.wg("showconf", name, check=True).stdout == before, "a refused set has changed something")


def check_ends(lab, host):
    """Every way a device ends: exit status 0, within a second, nothing left behind."""
    for number, (what, end) in enumerate({
            "SIGTERM": lambda d: os.kill(d.process.pid, signal.SIGTERM),
            "SIGINT": lambda d: os.kill(d.process.pid, signal.SIGINT),
            "ip link del": lambda d: host.run("ip", "link", "del", d.interface),
            "rm of the socket": lambda d: d.socket.unlink(),
    }.items()):
        device = WireGuardDevice(host, f"ie{os.getpid() % 10000}x{number}", "adit")
        device.configure(0, ["10.8.0.1/24"], 1420)
        began = time.monotonic()
        end(device)
        status = device.process.popen.wait(5)
        took = time.monotonic() - began
        check(status == 0 and took < 1, f"{what}: exit {status} after {took:.2f} s")
        check(not device.socket.exists(), f"{what}: the socket stays")
        check(host.run("ip", "link", "show", device.interface, check=False).returncode != 0,
              f"{what}: the interface stays")


def body(lab):
    host = lab.host("a")
    device = WireGuardDevice(host, f"ib{os.getpid() % 10000}", "adit")
    check_start(host, device.interface, device.process)
    check_set(host, device)
    # What a killed device leaves is taken over.
    device.process.kill()
    check(device.socket.exists(), "a killed process leaves its socket")
    device = WireGuardDevice(host, device.interface, "adit")
    check_ends(lab, host)
    print("refused with reason, unharmed, and ended cleanly")


main("wireguard-bad-input", body)
