#!/usr/bin/env python3
"""10 MB over TCP through a network that loses a fifth of all datagrams in both directions, corrupts and
truncates 1 % and duplicates some: what comes has the SHA-256 of what was sent, and it never stands still
for 30 s. Between two of our devices, and between ours and wireguard-go in both directions."""
import json
import os
import random

from lab import check, main, wait_until
from middlebox_lab import B, HERE, BadNetwork

PORT, SIZE = 9002, 10_000_000
FAULTS = {"loss": 0.2, "corrupt": 0.01, "truncate": 0.01, "duplicate": 0.05, "reorder": 8, "both": 1}


def transfer(net, seed):
    wait_until("the tunnel", lambda: net.a.can_ping(B), 40)
    taker = net.b.start("taker", "python3", HERE / "checked_flow.py", "take", B, PORT)
    wait_until("the taker", lambda: net.b.run("ss", "-Hltn", "sport", "=", PORT).stdout)
    sent = json.loads(net.a.run("python3", HERE / "checked_flow.py", "give", B, PORT, SIZE, seed,
                                timeout=150).stdout)
    wait_until("the taker's end", lambda: not taker.is_running(), 20)
    return sent, json.loads(taker.text())


def body(lab):
    lab.expect_warning(r"did not decrypt: the path garbles")  # it does
    seed = int(os.environ.get("ADIT_SEED", random.randrange(1 << 32)))
    print(f"ADIT_SEED={seed}", flush=True)
    net = BadNetwork(lab)
    for host in (net.a, net.b):
        # One that does not take every loss for congestion: else the test is of TCP's patience.
        host.run("sysctl", "-qw", "net.ipv4.tcp_congestion_control=bbr")
    net.behave(seed, **FAULTS)
    for kinds in (("adit", "adit"), ("wireguard-go", "adit"), ("adit", "wireguard-go")):
        net.connect(*kinds)
        sent, came = transfer(net, seed)
        print(f"{' to '.join(kinds)}: {came['size']} bytes, never still for more than {came['silence']:.2f} s",
              flush=True)
        check((sent["size"], sent["sha256"]) == (came["size"], came["sha256"]), f"sent {sent}, came {came}")
        check(came["silence"] < 30, "it stood still")
    forth, back = net.end()
    print(f"the network: forth {forth}, back {back}", flush=True)
    check(min(forth["lost"], back["lost"]) > 500, "few were lost: the test shows nothing")


main("lossy-transfer", body)
