#!/usr/bin/env python3
"""What a gateway does for a resource, in both families: the resource sees the gateway's address, or
the client's with --nat off; packets larger than the tunnel pass in fragments; a neighbour of the
gateway is not routed to the resource; a policy ends at its expiry with nobody told."""
import time

from gateway_lab import WIKI, WIKI6, GatewayLab
from lab import check, main, wait_until

PORT = 80
SAYS_WHO_ASKS = f"""
import socket
server = socket.create_server(('::', {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].removeprefix('::ffff:').encode())
    connection.close()
"""
ASKS = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).recv(99).decode())"


def who_is_seen(net, target):
    return net.clients[0].run("python3", "-c", ASKS, target, PORT).stdout.strip()


def nat(net):
    net.wiki.start("server", "python3", "-c", SAYS_WHO_ASKS)
    wait_until("the server", lambda: who_is_seen(net, WIKI))
    for target, gateway in ((WIKI, "10.77.1.1"), (WIKI6, "fd77:1::1")):
        seen = who_is_seen(net, target)
        check(seen == gateway, f"{target} sees {seen}, not the gateway")
    # As anybody with resources that log addresses would: they need a route back.
    net.pair.ctl("resource", "update", "wiki", "--nat", "off", check=True)
    net.wiki.run("ip", "route", "add", f"{net.tunnel_address()}/32", "via", "10.77.1.1")
    for target, family in ((WIKI, 4), (WIKI6, 6)):
        seen = who_is_seen(net, target)
        check(seen == net.tunnel_address(family=family), f"--nat off: {target} sees {seen}")
    net.pair.ctl("resource", "update", "wiki", "--nat", "on", check=True)
    seen = who_is_seen(net, WIKI)
    check(seen == "10.77.1.1", f"NAT again: {seen}")
    print("the resource sees the gateway, or the client with --nat off, in both families")


def fragments(net):
    # An IPv6 sender learns the tunnel's MTU from what its first packet meets.
    net.clients[0].run("ping", "-c", "1", "-W", "1", "-s", "4000", WIKI6, check=False)
    for target in (WIKI, WIKI6):
        answers = net.clients[0].run("ping", "-c", "5", "-i", "0.2", "-s", "4000", target).stdout
        check(" 5 received" in answers, f"fragments to {target}: {answers}")
    print("pings of 4,000 bytes pass in fragments, in both families")


def neighbours(net):
    """A host on the gateway's uplink routes to the resource past WireGuard."""
    stranger = net.clients[1]
    stranger.run("ip", "route", "add", f"{WIKI}/32", "via", "203.0.113.2")
    stranger.run("ip", "-6", "route", "add", f"{WIKI6}/128", "via", "2001:db8::2")
    net.wiki.run("ip", "route", "add", "203.0.113.0/24", "via", "10.77.1.1")
    for target in (WIKI, WIKI6):
        check(not stranger.can_ping(target), f"a neighbour of the gateway reaches {target}")
    # Nor does the resource's network reach the uplink's.
    for target in ("203.0.113.4", "2001:db8::4"):
        check(not net.wiki.can_ping(target), f"the resource reaches {target}")
    print("neighbours of the gateway are not routed through it")


def expiry(net):
    net.pair.ctl("policy", "disable", "all", check=True)
    net.pair.ctl("policy", "create", "short", "--peer", "client0", "--resource", "wiki", "--expires",
                 "4s", check=True)
    created = time.monotonic()
    check(net.clients[0].can_ping(WIKI), "not permitted before it expires")
    net.pair.controlplane.stop()
    time.sleep(max(0.0, created + 4.2 - time.monotonic()))
    answers = net.clients[0].run("ping", "-c", "5", "-i", "0.2", "-W", "1", WIKI, check=False).stdout
    check(" 0 received" in answers and "Packet filtered" in answers, f"after the expiry: {answers}")
    print("a policy ends at its expiry without the control plane")


def body(lab):
    # The second client has no tunnel to the resource: it is the stranger on the uplink.
    net = GatewayLab(lab, clients=2, allow=(f"tcp:{PORT}", "icmp"), policy=False)
    net.devices[1].process.stop()
    net.pair.ctl("policy", "create", "all", "--peer", "client0", "--resource", "wiki", check=True)
    wait_until("the first ping", lambda: net.clients[0].can_ping(WIKI))
    nat(net)
    fragments(net)
    neighbours(net)
    expiry(net)


main("gateway", body)
