"""A WireGuard initiator that keeps what the protocol would wipe: every secret both ends derive in a
Noise_IKpsk2 handshake (WireGuard paper 5.4), so that a test can look for them in the other end's
memory. Runs in the caller's network namespace: call it through `python3 noise_peer.py`.

  noise_peer.py ADDRESS PORT PRIVATE PEER_PUBLIC PSK INNER_SOURCE INNER_DESTINATION
      handshakes, sends one ICMP echo, waits for the answer; prints the secrets as JSON; then sends
      an echo for every line on standard input, and prints "answered" or "silent".
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
LABEL_MAC1 = b"mac1----"
TAI64_BASE = 0x400000000000000A


def blake2s(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def hmac_blake2s(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()


def kdf(chaining_key, data, count):
    secret = hmac_blake2s(chaining_key, data)
    outputs, last = [], b""
    for number in range(1, count + 1):
        last = hmac_blake2s(secret, last + bytes([number]))
        outputs.append(last)
    return outputs


def nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


def raw(public_key):
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, public):
    return private.exchange(X25519PublicKey.from_public_bytes(public))


class Initiator:
    def __init__(self, sock, private, peer_public, psk):
        self.sock, self.peer_public, self.psk = sock, peer_public, psk
        self.static = X25519PrivateKey.from_private_bytes(private)
        self.counter = 0
        self.secrets = {}

    def handshake(self):
        static_public = raw(self.static.public_key())
        ephemeral = X25519PrivateKey.generate()
        ephemeral_public = raw(ephemeral.public_key())
        chaining = blake2s(CONSTRUCTION)
        digest = blake2s(blake2s(chaining, IDENTIFIER), self.peer_public)
        digest = blake2s(digest, ephemeral_public)
        chaining, = kdf(chaining, ephemeral_public, 1)
        ephemeral_static = dh(ephemeral, self.peer_public)
        chaining, key = kdf(chaining, ephemeral_static, 2)
        encrypted_static = ChaCha20Poly1305(key).encrypt(nonce(0), static_public, digest)
        digest = blake2s(digest, encrypted_static)
        static_static = dh(self.static, self.peer_public)
        chaining, key = kdf(chaining, static_static, 2)
        now = time.time_ns()
        stamp = struct.pack(">QI", TAI64_BASE + now // 10**9, now % 10**9)
        encrypted_stamp = ChaCha20Poly1305(key).encrypt(nonce(0), stamp, digest)
        digest = blake2s(digest, encrypted_stamp)
        index = os.urandom(4)
        message = struct.pack("<I", 1) + index + ephemeral_public + encrypted_static + encrypted_stamp
        mac1 = hashlib.blake2s(message, digest_size=16,
                               key=blake2s(LABEL_MAC1, self.peer_public)).digest()
        self.sock.send(message + mac1 + bytes(16))

        reply = self.sock.recv(2048)
        if len(reply) != 92 or reply[0] != 2 or reply[8:12] != index:
            raise SystemExit(f"no handshake response but {reply[:12].hex()}")
        self.remote_index, remote_ephemeral, empty = reply[4:8], reply[12:44], reply[44:60]
        digest = blake2s(digest, remote_ephemeral)
        chaining, = kdf(chaining, remote_ephemeral, 1)
        ephemeral_ephemeral = dh(ephemeral, remote_ephemeral)
        chaining, = kdf(chaining, ephemeral_ephemeral, 1)
        static_ephemeral = dh(self.static, remote_ephemeral)
        chaining, = kdf(chaining, static_ephemeral, 1)
        chaining, tau, key = kdf(chaining, self.psk, 3)
        digest = blake2s(digest, tau)
        ChaCha20Poly1305(key).decrypt(nonce(0), empty, digest)
        self.send_key, self.receive_key = kdf(chaining, b"", 2)
        self.secrets = {"session receive": self.send_key, "session send": self.receive_key,
                        "chaining key": chaining, "handshake key": key,
                        "ephemeral-static": ephemeral_static, "static-static": static_static,
                        "ephemeral-ephemeral": ephemeral_ephemeral,
                        "static-ephemeral": static_ephemeral}

    def send(self, plaintext):
        padded = plaintext + bytes(-len(plaintext) % 16)
        sealed = ChaCha20Poly1305(self.send_key).encrypt(nonce(self.counter), padded, b"")
        self.sock.send(struct.pack("<I", 4) + self.remote_index + struct.pack("<Q", self.counter) + sealed)
        self.counter += 1

    def receive(self):
        """A plaintext packet, or None when the second is over."""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                message = self.sock.recv(65535)
            except socket.timeout:
                return None
            if message[:1] != b"\4":
                continue
            try:
                plaintext = ChaCha20Poly1305(self.receive_key).decrypt(message[8:16].rjust(12, b"\0"),
                                                                       message[16:], b"")
            except InvalidTag:
                continue
            if plaintext:
                return plaintext
        return None


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(source, destination, sequence):
    icmp = struct.pack(">BBHHH", 8, 0, 0, 0x6B72, sequence) + bytes(32)
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), sequence, 0, 64, 1, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return header + icmp


def main():
    address, port, private, peer_public, psk, source, destination = sys.argv[1:8]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, int(port)))
    sock.settimeout(5)
    peer = Initiator(sock, base64.b64decode(private), base64.b64decode(peer_public),
                     base64.b64decode(psk) if psk else bytes(32))
    peer.handshake()
    sock.settimeout(1)

    def ask(sequence):
        peer.send(echo_request(source, destination, sequence))
        answer = peer.receive()
        # An echo reply, not an ICMP error.
        return "answered" if answer and answer[9] == 1 and answer[20] == 0 else "silent"

    print(json.dumps({"first": ask(1), "secrets": {k: v.hex() for k, v in peer.secrets.items()}}),
          flush=True)
    for number, _ in enumerate(sys.stdin):
        print(ask(number + 2), flush=True)


if __name__ == "__main__":
    main()
