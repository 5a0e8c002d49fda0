"""Freshly made keys, once per case."""

from __future__ import annotations

from pathlib import Path

from harness import Failed, Lab


def make_key(lab: Lab, name: str, kind: str = "ed25519") -> Path:
    """An unencrypted OpenSSH key pair NAME and NAME.pub in the case's folder."""
    path = lab.dir / name
    if not path.exists():
        keygen = lab.config.program("ssh-keygen")
        bits = {"rsa": ["-b", "2048"], "ecdsa": ["-b", "256"]}.get(kind, [])
        command = [keygen, "-q", "-t", kind, *bits, "-N", "", "-C", name, "-f", str(path)]
        status, text = lab.run(command)
        if status != 0:
            raise Failed(f"ssh-keygen: {text}")
    return path


def user_key(lab: Lab) -> Path:
    return make_key(lab, "user_key")


def host_key(lab: Lab, kind: str = "ed25519") -> Path:
    return make_key(lab, f"host_{kind}", kind)


def public(path: Path) -> str:
    """The public half as two words, type and base64, without the comment."""
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])
