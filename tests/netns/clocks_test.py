#!/usr/bin/env python3
"""Clocks that jump under real programs (a preloaded library shifts one process's clocks): the wall clock an
hour back, an hour ahead and ten years ahead costs no packet and no session, and the handshake after each
succeeds at the first try; a suspend of ten minutes (the boot clock ahead) ends the session, which is not
used again, and a fresh one is there within a round trip. Beside wireguard-go."""
import os
import pathlib
import re
import struct
import time

from lab import WireGuardDevice, check, main, wait_until

SHIFT = os.environ["ADIT_CLOCK_SHIFT"]
PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
PORT = 9000
HOUR, YEARS, SUSPEND = 3600, 10 * 365 * 86400, 600


class Jumpy:
    """One of our devices whose clocks the test moves."""

    def __init__(self, lab, host, number):
        self.file = lab.dir / f"shift-{host.name}"
        self.set(0, 0)
        env = dict(os.environ, LD_PRELOAD=SHIFT, ADIT_TEST_SHIFT_FILE=str(self.file))
        self.device = WireGuardDevice(host, f"cl{os.getpid() % 10000}{number}", "adit", env=env)
        self.device.configure(51820, [f"10.9.0.{number}/24"], 1420)

    def set(self, wall, boot):
        with open(self.file, "r+b" if self.file.exists() else "wb", buffering=0) as out:
            out.write(struct.pack("=qq", wall, boot))


def handshake(device):
    return int(device.wg("show", device.interface, "latest-handshakes", check=True).stdout.split()[1])


def wall_steps(lab, a, b, jumpy, other):
    """The session lives through each step; then both forget it, and shake hands anew."""
    record = lab.dir / "probe.txt"
    receiver = b.start("receiver", "python3", PROBE, "receive", "10.9.0.2", PORT, record)
    wait_until("the receiver", lambda: b.run("ss", "-Hlun", "sport", "=", PORT).stdout)
    sender = a.start("probe", "python3", PROBE, "send", "10.9.0.2", PORT, 1000, 5)
    before = handshake(other)
    for wall in (-HOUR, HOUR, YEARS, -HOUR):
        time.sleep(1)
        jumpy.set(wall, 0)
    sender.popen.wait(20)
    time.sleep(0.2)
    receiver.stop()
    sent = int(sender.text().split()[0])
    came = len({line.split()[0] for line in record.read_text().splitlines()})
    print(f"wall clock -1 h, +1 h, +10 years, -1 h: {sent - came} of {sent} packets lost", flush=True)
    check(sent == came, "packets were lost")
    check(handshake(other) == before, "the session was made anew")


def first_try(a, b, jumpy, wall, boot):
    """After the jump the first datagram is an initiation, and it is answered: it takes no retry of 5 s."""
    capture = b.start("tcpdump", "tcpdump", "-i", "eth0", "-n", "-l", "-t", "udp", "and", "src", "192.0.2.1")
    wait_until("the capture", lambda: "listening" in capture.text())
    jumpy.set(wall, boot)
    began = time.monotonic()
    wait_until("a ping", lambda: a.can_ping("10.9.0.2"), 4)
    took = time.monotonic() - began
    wait_until("the capture's lines", lambda: len(re.findall(r"UDP, length", capture.text())) > 1)
    capture.stop()
    sizes = re.findall(r"UDP, length (\d+)", capture.text())
    check(sizes[0] == "148", f"a session that ended while the host slept was used: {sizes}")
    check(sizes.count("148") == 1, f"more than one initiation: {sizes}")
    return took


def body(lab):
    a, b = lab.host("a"), lab.host("b")
    lab.veth(a, b)
    a.address("eth0", "192.0.2.1/24")
    b.address("eth0", "192.0.2.2/24")
    for kind in ("adit", "wireguard-go"):
        jumpy = Jumpy(lab, a, 1)
        other = WireGuardDevice(b, f"cl{os.getpid() % 10000}2", kind)
        other.configure(51820, ["10.9.0.2/24"], 1420)
        jumpy.device.add_peer(other.public_key, "10.9.0.2/32", "192.0.2.2:51820")
        other.add_peer(jumpy.device.public_key, "10.9.0.1/32", "192.0.2.1:51820")
        wait_until("the tunnel", lambda: a.can_ping("10.9.0.2"))
        wall_steps(lab, a, b, jumpy, other)
        # Each of these ends the session, with the wall clock where the last step left it or further.
        boot = 0
        for wall in (-HOUR, HOUR, -HOUR, YEARS, -HOUR):
            boot += SUSPEND
            took = first_try(a, b, jumpy, wall, boot)
            print(f"beside {kind}: after ten minutes of suspend, wall clock {wall:+} s: traffic again in "
                  f"{took:.2f} s", flush=True)
            check(took < 1, "the first handshake was not answered")
        jumpy.device.process.stop()
        other.process.stop()


main("clocks", body)
