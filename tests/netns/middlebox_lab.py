"""Two devices whose datagrams cross a bad network (middlebox.py).

    a ─ 192.0.2.0/24 ─ m ─ 198.51.100.0/24 ─ b          inside the tunnel a is 10.9.0.1, b 10.9.0.2
"""
import json
import os
import pathlib

from lab import WireGuardDevice, wait_until

HERE = pathlib.Path(__file__).resolve().parent
A, B = "10.9.0.1", "10.9.0.2"
PORT_A, PORT_B = 7001, 7002  # where a and b dial


class BadNetwork:
    def __init__(self, lab, name=""):
        self.lab = lab
        self.a, self.middle, self.b = (lab.host(f"{side}{name}") for side in "amb")
        lab.veth(self.a, self.middle, "eth0", "eth0")
        lab.veth(self.middle, self.b, "eth1", "eth0")
        self.a.address("eth0", "192.0.2.1/24")
        self.middle.address("eth0", "192.0.2.2/24")
        self.middle.address("eth1", "198.51.100.2/24")
        self.b.address("eth0", "198.51.100.1/24")
        self.devices, self.box = [], None

    def connect(self, kind_a, kind_b):
        """Fresh devices; those before end."""
        for device in self.devices:
            device.process.stop()
        ends = ((self.a, kind_a, A, f"192.0.2.2:{PORT_A}"), (self.b, kind_b, B, f"198.51.100.2:{PORT_B}"))
        self.devices = []
        for host, kind, address, _ in ends:
            device = WireGuardDevice(host, f"m{host.name}{os.getpid() % 10000}", kind)
            device.configure(51820, [f"{address}/24"], 1420)
            self.devices.append(device)
        a, b = self.devices
        a.add_peer(b.public_key, f"{B}/32", ends[0][3])
        b.add_peer(a.public_key, f"{A}/32", ends[1][3])

    def behave(self, seed, **faults):
        """From now on the network does this, and what the last one held is gone."""
        if self.box:
            self.box.stop()
        self.box = self.middle.start("middlebox", "python3", HERE / "middlebox.py", seed, PORT_A, PORT_B,
                                     "192.0.2.1:51820", "198.51.100.1:51820",
                                     *(f"{name}={value}" for name, value in faults.items()))
        wait_until("the middlebox", lambda: str(PORT_B) in
                   self.middle.run("ss", "-Hlun", "sport", "=", PORT_B).stdout)

    def end(self):
        """What it did from a to b, and from b to a."""
        box, self.box = self.box, None
        box.stop()
        return json.loads(box.text())
