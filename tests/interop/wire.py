"""Just enough SSH to be rude in it: unencrypted packets, KEXINIT, and what not to send."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

IDENTIFICATION = b"SSH-2.0-rude_1.0\r\n"
DISCONNECT, IGNORE, UNIMPLEMENTED, SERVICE_REQUEST, SERVICE_ACCEPT = 1, 2, 3, 5, 6
EXT_INFO, KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 7, 20, 21, 30, 31
USERAUTH_REQUEST, USERAUTH_SUCCESS, GLOBAL_REQUEST, CHANNEL_OPEN = 50, 52, 80, 90


def string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def packet(body: bytes, padding: int | None = None, length: int | None = None) -> bytes:
    """A packet in the clear; padding and length can lie."""
    if padding is None:
        padding = 8 - (len(body) + 5) % 8
        if padding < 4:
            padding += 8
    real = 1 + len(body) + padding
    told = real if length is None else length
    return struct.pack(">IB", told, padding & 0xFF) + body + os.urandom(max(0, padding))


@dataclass(frozen=True)
class Algorithms:
    """The name-lists of a KEXINIT."""

    kex: str = "curve25519-sha256,kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com"
    host_key: str = "ssh-ed25519"
    cipher: str = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com"
    mac: str = "hmac-sha2-256"
    compression: str = "none"


def kexinit(names: Algorithms = Algorithms(), guess: bool = False) -> bytes:
    lists: Sequence[str] = (
        names.kex,
        names.host_key,
        names.cipher,
        names.cipher,
        names.mac,
        names.mac,
        names.compression,
        names.compression,
        "",
        "",
    )
    body = bytes([KEXINIT]) + os.urandom(16)
    body += b"".join(string(text.encode()) for text in lists)
    return body + bytes([guess]) + bytes(4)


def hello(names: Algorithms = Algorithms()) -> bytes:
    """Identification and KEXINIT, as every implementation may send them in one breath."""
    return IDENTIFICATION + packet(kexinit(names))


def userauth(user: bytes = b"root") -> bytes:
    return (
        bytes([USERAUTH_REQUEST]) + string(user) + string(b"ssh-connection") + string(b"none")
    )


def direct_tcpip() -> bytes:
    body = bytes([CHANNEL_OPEN]) + string(b"direct-tcpip") + struct.pack(">III", 0, 1 << 20, 32768)
    body += string(b"127.0.0.1") + struct.pack(">I", 1)
    return body + string(b"127.0.0.1") + struct.pack(">I", 1)
