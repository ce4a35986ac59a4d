#!/usr/bin/env python3
"""Numbered packets through a network that duplicates and replays a fifth of the datagrams, lets up to
4,000 overtake one, loses a fifth, and corrupts and truncates 1 %: none comes twice, none is wrong, none
comes from another; and with reordering, duplication and replay alone every one comes. Between two of our
devices, and between ours and wireguard-go in both directions. ADIT_SEED repeats a run."""
import json
import os
import random

from lab import check, main, wait_until
from middlebox_lab import A, B, HERE, BadNetwork

PORT = 9000
COUNT, RATE = 15_000, 5_000
EVERYTHING = {"duplicate": 0.2, "replay": 0.2, "reorder": 4000, "loss": 0.2, "corrupt": 0.01, "truncate": 0.01}
NOTHING_LOST = {"duplicate": 0.2, "replay": 0.2, "reorder": 4000}


def waiting_bytes(host):
    return sum(int(line.split()[1]) for line in host.run("ss", "-Huna").stdout.splitlines())


def flow(net, seed, faults):
    net.behave(seed)
    wait_until("the tunnel", lambda: net.a.can_ping(B), 15)
    net.behave(seed, **faults)
    receiver = net.b.start("receiver", "python3", HERE / "checked_flow.py", "receive", B, PORT, A)
    wait_until("the receiver", lambda: net.b.run("ss", "-Hlun", "sport", "=", PORT).stdout)
    net.a.run("python3", HERE / "checked_flow.py", "send", B, PORT, RATE, COUNT)
    forth, _ = net.end()
    wait_until("what came to be read", lambda: waiting_bytes(net.b) == 0, 20)
    receiver.stop()
    return json.loads(receiver.text()), forth


def judge(names, faults, result, forth):
    print(f"{names}, {', '.join(f'{name} {value}' for name, value in faults.items())}: of {COUNT} came "
          f"{result['different']}, {result['late']} of them late; the network: {forth}", flush=True)
    check(result["came"] == result["different"], f"{result['came'] - result['different']} packets twice")
    check(result["wrong"] == 0, f"{result['wrong']} packets with other bytes")
    check(result["foreign"] == 0, f"{result['foreign']} packets from another source")
    for name in faults:
        done = {"duplicate": "duplicated", "replay": "replayed", "reorder": "held", "loss": "lost",
                "corrupt": "corrupted", "truncate": "truncated"}[name]
        check(forth[done] > COUNT / 300, f"the network did no {name}: the test shows nothing")


def body(lab):
    lab.expect_warning(r"did not decrypt: the path garbles")  # it does
    seed = int(os.environ.get("ADIT_SEED", random.randrange(1 << 32)))
    print(f"ADIT_SEED={seed}", flush=True)
    net = BadNetwork(lab)
    for kinds in (("adit", "adit"), ("wireguard-go", "adit"), ("adit", "wireguard-go")):
        names = " to ".join(kinds)
        net.connect(*kinds)
        result, forth = flow(net, seed, EVERYTHING)
        judge(names, EVERYTHING, result, forth)
        check(result["different"] > 0.7 * COUNT, "more was lost than the network lost")
        result, forth = flow(net, seed, NOTHING_LOST)
        judge(names, NOTHING_LOST, result, forth)
        if kinds[1] == "adit":
            check(result["different"] == COUNT, f"{COUNT - result['different']} packets did not come")
        check(result["late"] > COUNT / 3, "few were late: the test shows nothing")


main("middlebox", body)
