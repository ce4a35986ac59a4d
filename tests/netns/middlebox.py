"""A bad network between two WireGuard devices: a UDP forwarder that loses, duplicates, replays, reorders,
corrupts and truncates datagrams, by a seed.

  middlebox.py SEED PORT_A PORT_B ADDRESS_A ADDRESS_B [NAME=VALUE ...]

Side A's device dials PORT_A here, side B's PORT_B; ADDRESS_x (HOST:PORT) is where it listens. What comes
from one leaves to the other. Values: loss, duplicate, replay, corrupt, truncate are shares of the
datagrams, 0 to 1; reorder is how many later datagrams may overtake one; those that are
held leave when nothing comes, or at the end. Only what goes from A to B is
treated so, and with both=1 the other direction too. At its end it prints what it did, in JSON.
"""
import heapq
import json
import random
import select
import signal
import socket
import sys
import time

SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
IDLE_SECONDS = 0.05  # after so long without a datagram all that is held leaves, BATCH a millisecond
REMEMBERED = 20_000  # datagrams that may be replayed
BATCH = 64


class Direction:
    def __init__(self, rng, source, sink, target, faults):
        self.rng, self.source, self.sink, self.target, self.faults = rng, source, sink, target, faults
        self.count, self.held, self.past = 0, [], []
        self.done = {name: 0 for name in ("lost", "duplicated", "replayed", "corrupted", "truncated", "held",
                                          "forwarded")}

    def send(self, datagram):
        try:
            self.sink.sendto(datagram, self.target)
            self.done["forwarded"] += 1
        except OSError:  # nobody listens there yet
            pass

    def happens(self, name):
        return self.rng.random() < self.faults.get(name, 0)

    def take(self, datagram):
        self.count += 1
        if self.happens("loss"):
            self.done["lost"] += 1
        elif self.happens("corrupt"):
            self.done["corrupted"] += 1
            at = self.rng.randrange(len(datagram))
            flipped = datagram[at] ^ (1 << self.rng.randrange(8))
            self.send(datagram[:at] + bytes([flipped]) + datagram[at + 1:])
        elif self.happens("truncate"):
            self.done["truncated"] += 1
            self.send(datagram[:self.rng.randrange(len(datagram))])
        else:
            self.forward(datagram)
        while self.held and self.held[0][0] <= self.count:
            self.send(heapq.heappop(self.held)[2])

    def forward(self, datagram):
        depth = int(self.faults.get("reorder", 0))
        if depth:
            self.done["held"] += 1
            heapq.heappush(self.held, (self.count + self.rng.randrange(depth), self.count, datagram))
        else:
            self.send(datagram)
        if self.happens("duplicate"):
            self.done["duplicated"] += 1
            self.send(datagram)
        if self.faults.get("replay"):
            if len(self.past) < REMEMBERED:
                self.past.append(datagram)
            else:
                self.past[self.rng.randrange(REMEMBERED)] = datagram
            if self.happens("replay"):
                self.done["replayed"] += 1
                self.send(self.rng.choice(self.past))

    def release(self):
        for _ in range(min(BATCH, len(self.held))):
            self.send(heapq.heappop(self.held)[2])

    def receive(self):
        for _ in range(BATCH):
            try:
                self.take(self.source.recv(65535))
            except OSError:
                return


def main():
    seed, port_a, port_b = (int(word) for word in sys.argv[1:4])
    ends = [(host, int(port)) for host, port in (word.rsplit(":", 1) for word in sys.argv[4:6])]
    values = {name: float(value) for name, value in (word.split("=") for word in sys.argv[6:])}
    sockets = []
    for port in (port_a, port_b):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
        sock.bind(("0.0.0.0", port))
        sock.setblocking(False)
        sockets.append(sock)
    rng = random.Random(seed)
    directions = [Direction(rng, sockets[0], sockets[1], ends[1], values),
                  Direction(rng, sockets[1], sockets[0], ends[0], values if values.get("both") else {})]
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    poller = select.poll()
    for sock in sockets:
        poller.register(sock, select.POLLIN)
    is_releasing = False
    while not is_over:
        ready = {fd for fd, _ in poller.poll(1 if is_releasing else IDLE_SECONDS * 1000)}
        for direction in directions:
            if direction.source.fileno() in ready:
                direction.receive()
        if not ready:
            for direction in directions:
                direction.release()
        is_releasing = not ready and any(direction.held for direction in directions)
    for direction in directions:
        direction.receive()
        while direction.held:
            direction.release()
            time.sleep(0.001)
    print(json.dumps([direction.done for direction in directions]))


main()
