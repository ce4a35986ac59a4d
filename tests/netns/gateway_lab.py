"""The topology most tests share: clients on an internet, a gateway, a private LAN behind it.

    client … ─┐
              ├─ 203.0.113.0/24, 2001:db8::/64 ─ gateway (adit-dataplane) ─ 10.77.1.0/24 ─ wiki
    hub ──────┘ (its sockets are paths, so it may be anywhere)
"""
import os

from lab import Pair, WireGuardDevice, bring_up_client, wait_until

WIKI = "10.77.1.10"
WIKI6 = "fd77:1::10"


class GatewayLab:
    def __init__(self, lab, clients=1, kinds=("wireguard-go",), allow=("all",), policy=True,
                 gateway_flags=(), behind_nat=False):
        self.lab = lab
        self.hub, self.gateway, self.wiki = lab.host("hub"), lab.host("gw"), lab.host("wiki")
        self.clients = [lab.host(f"c{i}") for i in range(clients)]
        uplinks = [self.gateway, *self.clients]
        if behind_nat:
            self.nat = lab.host("nat")
            lab.switch(self.gateway, self.nat)
            self.nat.address("eth0", "203.0.113.9/24")
            lab.veth(self.nat, self.clients[0], "lan0", "eth0")
            self.nat.address("lan0", "192.168.7.1/24")
            self.clients[0].address("eth0", "192.168.7.2/24")
            self.clients[0].run("ip", "route", "add", "default", "via", "192.168.7.1")
            self.nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.nat.run("nft", "-f", "-", input="""
                table ip nat {
                  chain post {
                    type nat hook postrouting priority srcnat;
                    oifname "eth0" masquerade
                  }
                }
                """)
            self.gateway.address("eth0", "203.0.113.2/24")
        else:
            lab.switch(*uplinks)
            for number, host in enumerate(uplinks):
                host.address("eth0", f"203.0.113.{2 + number}/24", f"2001:db8::{2 + number}/64")
        lab.veth(self.gateway, self.wiki, "lan0", "eth0")
        self.gateway.address("lan0", "10.77.1.1/24", "fd77:1::1/64")
        self.wiki.address("eth0", f"{WIKI}/24", f"{WIKI6}/64")
        self.wiki.run("ip", "-6", "route", "add", "default", "via", "fd77:1::1")
        self.gateway_flags = gateway_flags
        self.pair = Pair(lab, self.hub)
        self.pair.start_controlplane()
        self.start_gateway()
        flags = [flag for rule in allow for flag in ("--allow", rule)]
        self.pair.ctl("resource", "create", "wiki", "--cidr", f"{WIKI}/32", "--cidr", f"{WIKI6}/128",
                      "--node", "gw", *flags, check=True)
        self.configs, self.devices = [], []
        for number, host in enumerate(self.clients):
            config = self.pair.create_peer(f"client{number}")
            kind = kinds[number % len(kinds)]
            device = WireGuardDevice(host, f"ic{os.getpid() % 10000}x{number}", kind)
            bring_up_client(device, config)
            self.configs.append(config)
            self.devices.append(device)
        if policy:
            peers = [flag for i in range(clients) for flag in ("--peer", f"client{i}")]
            self.pair.ctl("policy", "create", "all", *peers, "--resource", "wiki", check=True)
            for host in self.clients:
                wait_until("the first ping", lambda: host.can_ping(WIKI))

    def start_gateway(self, **kwargs):
        return self.pair.start_dataplane(self.gateway, "gw", *self.gateway_flags,
                                         advertise="203.0.113.2:51820", **kwargs)

    @property
    def dataplane(self):
        return self.pair.dataplanes["gw"]

    def tunnel_address(self, number=0, family=4):
        parts = [a.strip() for a in self.configs[number]["Address"].split(",")]
        return next(p.split("/")[0] for p in parts if (":" in p) == (family == 6))
