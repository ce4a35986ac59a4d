#!/usr/bin/env python3
"""Full disks and damaged files under the running pair: what was acknowledged is there, what is refused
changes nothing and says why, nothing is given that a policy took away, and no damaged file is
overwritten."""
import os
import pathlib
import socket
import sqlite3

from gateway_lab import WIKI, GatewayLab
from lab import CONTROLPLANE_UID, DATAPLANE_UID, check, main, refused, wait_until

CLIENT = "203.0.113.3"


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass  # full


def free(disk):
    (disk / "filler").unlink()


def put(content, uid):
    """Files with their content, as their program would have made them."""
    for path, data in content.items():
        path.write_bytes(data)
        os.chown(path, uid, CONTROLPLANE_UID)
        path.chmod(0o600)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


class Disks:
    def __init__(self, lab):
        self.store = lab.small_disk("store", "16m", CONTROLPLANE_UID, CONTROLPLANE_UID)
        self.state = lab.small_disk("state-gw", "1m", DATAPLANE_UID, CONTROLPLANE_UID)
        self.lab, self.net = lab, GatewayLab(lab)
        self.pair, self.client = self.net.pair, self.net.clients[0]
        self.acknowledged = []
        self.net.gateway.run("ip", "route", "add", "10.0.0.0/8", "via", WIKI)

    def reaches_wiki(self):
        return self.client.can_ping(WIKI)

    def restart_controlplane(self):
        self.pair.controlplane.kill()
        self.pair.start_controlplane()
        wait_until("node gw", lambda: self.pair.node("gw")["state"] == "CONNECTED")

    def restart_gateway(self, **kwargs):
        self.net.dataplane.kill()
        return self.net.start_gateway(**kwargs)

    def client_begins_again(self):
        """As it would by itself in a while; the gateway does not remember where it is."""
        config, device = self.net.configs[0], self.net.devices[0]
        device.wg("set", device.interface, "peer", config["PublicKey"], "remove", check=True)
        device.add_peer(config["PublicKey"], config["AllowedIPs"].replace(" ", ""), config["Endpoint"])
        wait_until("the first ping", self.reaches_wiki)

    def names(self):
        return {line.removeprefix("resource/") for line in
                self.pair.ctl("-o", "name", "resource", "list", check=True).stdout.split()}

    def create(self, number):
        """Noted when it was stored."""
        result = self.pair.ctl("resource", "create", f"r{number}", "--node", "gw", "--allow", "all",
                               "--cidr", f"10.{number}.0.0/24")
        if "stored, revision" in result.stdout:
            self.acknowledged.append(f"r{number}")
        return result


def check_full_store(d):
    d.lab.expect_warning("the store refused a change.*free space")
    check(d.create(1).returncode == 0, "a resource")
    fill(d.store)
    for number in range(2, 100):
        result = d.create(number)
        if result.returncode != 0:
            break
    check(result.returncode == 1 and "nothing is stored" in result.stderr and
          "free space on that file system" in result.stderr and str(d.store / "adit.db") in result.stderr,
          f"a full store: exit {result.returncode}: {result.stdout}{result.stderr}")
    check(d.names() == {"wiki", *d.acknowledged}, f"what there is: {d.names()}")
    check(d.pair.ctl("status").returncode == 0 and d.reaches_wiki(), "the pair on a full store")
    # A kill: the log beside the store holds what was acknowledged, and it opens on the full disk.
    d.restart_controlplane()
    check(d.names() == {"wiki", *d.acknowledged}, f"after a kill: {d.names()}")
    check(d.create(100).returncode == 1, "a change on a disk that is still full")
    # A gateway that says something new of itself, which cannot be stored, is let in all the same. Where
    # its client is, it writes down within a second.
    wait_until("the client's endpoint on disk",
               lambda: socket.inet_aton(CLIENT) in (d.state / "peers").read_bytes())
    d.net.gateway_flags = ("--mtu", "1300")
    d.restart_gateway()
    wait_until("the gateway on a full store", lambda: d.pair.node("gw")["state"] == "CONNECTED")
    d.net.gateway_flags = ()
    d.restart_gateway()
    wait_until("the ping", d.reaches_wiki)
    free(d.store)
    check(d.create(100).returncode == 0, "a change on a disk with space again")
    d.restart_controlplane()
    check(d.names() == {"wiki", *d.acknowledged}, f"after a second kill: {d.names()}")


def refused_by_gateway(d, first):
    """Creates until the gateway cannot record it; what aditctl says."""
    for file in d.state.glob("journal-*"):
        os.truncate(file, file.stat().st_size)  # gives back the space it has reserved
    fill(d.state)
    for number in range(first, first + 50):
        result = d.create(number)
        if result.returncode != 0:
            return result
    check(False, "the state's disk never filled")


def check_full_state(d):
    pair, gateway = d.pair, d.net
    d.lab.expect_warning("the state cannot be recorded: .*free space")
    d.lab.expect_warning("a restart denies everything until the control plane has sent a snapshot")
    d.lab.expect_warning("a restart would take longer to reach peers.*free space")
    result = refused_by_gateway(d, 101)
    for text in ("stored, revision", "node/gw: refused", "cannot be recorded", str(d.state),
                 "free space on that file system", "UPDATE_REFUSED", "asked again"):
        check(text in result.stdout, f"'{text}' is not in: {result.stdout}{result.stderr}")
    check(result.returncode == 1, f"exit {result.returncode}")
    status = pair.ctl("status").stdout
    check("refuses updates" in status and "free space" in status, f"status: {status}")
    check(d.reaches_wiki(), "traffic on a full state")
    # By itself, once there is space.
    free(d.state)
    wait_until("the update", lambda: "refuses" not in pair.ctl("status").stdout and
               pair.node("gw")["appliedRevision"] == pair.node("gw")["currentRevision"], 12)

    # What takes away is in force at once, and stays so over a kill.
    refused_by_gateway(d, 151)
    result = pair.ctl("policy", "disable", "all")
    check(result.returncode == 0 and "node/gw: acked" in result.stdout,
          f"a removal: {result.stdout}{result.stderr}")
    check(not d.reaches_wiki(), "a revoked grant forwards")
    pair.controlplane.stop()
    d.restart_gateway(wait=False)
    wait_until("the gateway", lambda: "public key" in gateway.dataplane.text())
    check(not d.reaches_wiki(), "a revoked grant forwards after a kill")
    free(d.state)
    pair.start_controlplane()
    wait_until("node gw", lambda: pair.node("gw")["state"] == "CONNECTED")
    pair.ctl("policy", "enable", "all", check=True)
    d.client_begins_again()
    check(d.names() == {"wiki", *d.acknowledged}, "resources after all that")


def check_damaged_store(d):
    pair, path = d.pair, d.store / "adit.db"
    log = pathlib.Path(f"{path}-wal")
    pair.controlplane.kill()
    left = {p: p.read_bytes() for p in (path, log)}
    pair.start_controlplane()
    check(pair.controlplane.stop() == 0 and not log.exists(), "the control plane's end")
    good = path.read_bytes()

    def expect(content, *texts):
        put(content, CONTROLPLANE_UID)
        refused(d.net.hub, pair.controlplane_argv(), 1, path, *texts)
        for p, data in content.items():
            check(p.read_bytes() == data, f"{p} was changed")

    backup = "put a backup in its place"
    expect({path: b"no database" + good[11:]}, backup)
    expect({path: flip(good, 4096 * 3 + 8)}, backup)
    expect({path: good[:len(good) // 2]}, backup)
    expect({path: b""}, backup, "remove it to begin with an empty network")
    newer = d.lab.dir / "newer.db"
    newer.write_bytes(good)
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    expect({path: newer.read_bytes()}, "schema 99", "update adit-controlplane")
    # Emptied, or lost, while its log holds changes.
    expect({path: b"", log: left[log]}, backup, log)
    path.unlink()
    expect({log: left[log]}, "missing", backup, log)
    check(not path.exists(), "a store was begun")
    put(left, CONTROLPLANE_UID)
    os.chown(log, 0, 0)
    refused(d.net.hub, pair.controlplane_argv(), 1, log, "has owner 0", f"chown {CONTROLPLANE_UID}")

    put(left, CONTROLPLANE_UID)
    pair.start_controlplane()
    wait_until("node gw", lambda: pair.node("gw")["state"] == "CONNECTED")
    check(d.names() == {"wiki", *d.acknowledged}, "what was acknowledged, with the files put back")


def check_damaged_state(d):
    """The gateway alone: no view, so everything is denied, and the files are kept."""
    pair, state, net = d.pair, d.state, d.net
    pair.ctl("policy", "disable", "all", check=True)  # a journal
    pair.ctl("policy", "enable", "all", check=True)
    pair.controlplane.stop()
    net.dataplane.kill()
    journal = next(p.name for p in state.iterdir() if p.name.startswith("journal-"))
    good = {name: (state / name).read_bytes() for name in ("snapshot", journal, "peers", "timestamp-mark")}
    check(len(good[journal]) > 300, "there is no journal to damage")

    def starts_with(name, content):
        put({state / other: data for other, data in good.items()} | {state / name: content},
            DATAPLANE_UID)
        process = net.start_gateway(wait=False)
        wait_until("the gateway", lambda: "public key" in process.text() and "control plane" in process.text())
        check((state / f"damaged-{name}").read_bytes() == content, f"damaged-{name}: other content")
        return process

    # As it was: the state does forward without a control plane.
    process = starts_with_good(d, good)
    wait_until("the ping from disk", d.reaches_wiki)
    process.kill()
    d.lab.expect_warning("is damaged at byte.*kept as damaged-.*(everything is denied until|are lost)")
    d.lab.expect_warning("timestamp-mark is damaged .kept as damaged-timestamp-mark")
    whole = good["snapshot"]
    for number, (name, content) in enumerate((("snapshot", flip(whole, len(whole) // 2)),
                                              ("snapshot", whole[:-10]), ("snapshot", b""),
                                              (journal, flip(good[journal], 40)), (journal, b""))):
        process = starts_with(name, content)
        check(f"{name} is damaged" in process.text() and "everything is denied" in process.text(),
              f"{name}: {process.text()}")
        if number in (0, 3):
            check(not d.reaches_wiki(), f"a damaged {name} forwards")
        process.kill()
    # These only cost time; the state itself is good.
    for name in ("peers", "timestamp-mark"):
        for content in (flip(flip(good[name], 30), len(good[name]) // 2 + 30), b""):
            process = starts_with(name, content)
            check(f"{name} is damaged" in process.text() and "from disk" in process.text(),
                  f"{name}: {process.text()}")
            process.kill()
    key = state / "private.key"
    secret = key.read_bytes()
    for content in (b"", secret[:20], b"?" + secret[1:]):
        key.write_bytes(content)
        argv = pair.dataplane_argv("gw", *net.gateway_flags)
        refused(net.gateway, argv, 1, key, "put the right key back", "--public-key")
        check(key.read_bytes() == content, "the private key was changed")
    key.write_bytes(secret)
    pair.start_controlplane()
    net.start_gateway()
    d.client_begins_again()


def starts_with_good(d, good):
    process = d.net.start_gateway(wait=False)
    wait_until("the gateway", lambda: "from disk" in process.text())
    return process


def body(lab):
    d = Disks(lab)
    check_full_store(d)
    check_full_state(d)
    check_damaged_store(d)
    check_damaged_state(d)
    print(f"{len(d.acknowledged)} acknowledged changes are there")


main("bad-disk", body)
