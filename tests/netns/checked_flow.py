"""A flow of numbered packets whose every byte is known, and a TCP transfer that is hashed.

  checked_flow.py receive ADDRESS PORT SOURCE          at SIGTERM prints, in JSON, how many came, how many
                                                       different ones, out of order, wrong, and not from SOURCE
  checked_flow.py send ADDRESS PORT RATE COUNT [SIZE]  prints how many
  checked_flow.py take ADDRESS PORT                    one TCP connection: size, SHA-256, longest silence (s)
  checked_flow.py give ADDRESS PORT BYTES SEED         the same of what it sends
"""
import hashlib
import json
import random
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33


def content(number, size):
    block = hashlib.sha256(struct.pack("<Q", number)).digest()
    return struct.pack("<QH", number, size) + (block * (size // len(block) + 1))[:size - 10]


def receive(address, port, source):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    sock.bind((address, port))
    sock.settimeout(0.2)
    seen, count, late, wrong, foreign, last, is_over = set(), 0, 0, 0, 0, -1, []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    while not is_over:
        try:
            data, sender = sock.recvfrom(2048)
        except socket.timeout:
            continue
        number, size = struct.unpack_from("<QH", data) if len(data) >= 10 else (0, 0)
        if size < 10 or data != content(number, size):
            wrong += 1
            continue
        foreign += sender[0] != source
        count += 1
        late += number < last
        last = max(last, number)
        seen.add(number)
    print(json.dumps({"came": count, "different": len(seen), "late": late, "wrong": wrong, "foreign": foreign}))


def send(address, port, rate, count, size):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    start = time.monotonic()
    for number in range(count):
        delay = start + number / rate - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        sock.send(content(number, size))
    print(count)


def take(address, port):
    connection = socket.create_server((address, port)).accept()[0]
    digest, size, longest, last = hashlib.sha256(), 0, 0.0, time.monotonic()
    while data := connection.recv(65536):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        digest.update(data)
        size += len(data)
    connection.sendall(b"!")
    print(json.dumps({"size": size, "sha256": digest.hexdigest(), "silence": longest}))


def give(address, port, size, seed):
    data = random.Random(seed).randbytes(size)
    connection = socket.create_connection((address, port), 60)
    connection.settimeout(120)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(json.dumps({"size": size, "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if verb == "receive":
        receive(address, port, sys.argv[4])
    elif verb == "send":
        send(address, port, float(sys.argv[4]), int(sys.argv[5]), int((sys.argv[6:] or ["256"])[0]))
    elif verb == "take":
        take(address, port)
    else:
        give(address, port, int(sys.argv[4]), int(sys.argv[5]))
