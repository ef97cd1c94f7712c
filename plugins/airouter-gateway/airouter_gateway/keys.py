"""Keys of clients: made here, shown once, kept as hashes in a file of their own.

A key is 256 bits of chance, so that a plain SHA-256 is enough to keep it by, and looking one up by its hash tells
nothing by the time it takes. Whoever has the file can make no key of it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterable
from typing import Protocol

import msgspec
from filelock import FileLock

from airouter_core.config.folders import config_folder
from airouter_core.errors import ConfigurationError, ParameterError
from airouter_core.values.value import Value

PREFIX = "air-"
SHOWN = 10
"""Characters of a key that may be seen: enough to tell keys apart, and of no use else."""
FILE = "gateway-keys.json"


class ClientKey(Value, frozen=True, kw_only=True):
    """What is known of a key.

    Attributes:
        name: of whom it is; budgets cover calls by it.
        digest: SHA-256 of the key, in hexadecimal digits.
        prefix: how it begins.
        models: patterns of the addresses and routes that it may use; empty for all.
        expires: seconds since 1970, if ever.
        rpm: requests a minute, if there is a limit.
    """

    name: str
    digest: str
    prefix: str
    models: tuple[str, ...] = ()
    expires: float | None = None
    rpm: int | None = None
    created: float = 0.0

    def allows(self, *names: str) -> bool:
        """Whether one of the names of a model is among those that it may use."""
        return not self.models or any(fnmatch.fnmatchcase(name, one) for one in self.models for name in names)

    def is_expired(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.expires is not None and now >= self.expires


class KeyStore(Protocol):
    """Where keys are kept."""

    def find(self, digest: str) -> ClientKey | None:
        """The key of this hash."""

    def is_empty(self) -> bool:
        """Whether there is none at all."""


def digest_of(key: str) -> str:
    """The hash by which a key is known."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class KeyFile:
    """Keys in a JSON file that only its owner may read. It is read again when it has changed.

    Args:
        path: the user's own unless given.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path or os.path.join(config_folder(), FILE)
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ClientKey] = {}

    def find(self, digest: str) -> ClientKey | None:
        return self._read().get(digest)

    def is_empty(self) -> bool:
        return not self._read()

    def keys(self) -> list[ClientKey]:
        """All of them, in the order made."""
        return list(self._read().values())

    def create(
        self,
        name: str,
        *,
        models: Iterable[str] = (),
        expires: float | None = None,
        rpm: int | None = None,
    ) -> tuple[str, ClientKey]:
        """Make a key: the key itself, which nobody can show again, and what is kept of it.

        Raises:
            ParameterError: there is one of this name, or the name is none.
        """
        if not name or not name.isprintable() or len(name) > 100:
            raise ParameterError("the name of a key is up to 100 printable characters")
        key = PREFIX + secrets.token_urlsafe(32)
        made = ClientKey(
            name=name,
            digest=digest_of(key),
            prefix=key[:SHOWN],
            models=tuple(models),
            expires=expires,
            rpm=rpm,
            created=time.time(),
        )
        with self._changing() as keys:
            if any(known.name == name for known in keys.values()):
                raise ParameterError(f"there is a key {name!r} already: revoke it first, or take another name")
            keys[made.digest] = made
            self._write(keys)
        return key, made

    def revoke(self, name: str) -> None:
        """Make a key useless, at once.

        Raises:
            ParameterError: there is none of this name.
        """
        with self._changing() as keys:
            left = {digest: key for digest, key in keys.items() if name not in (key.name, key.prefix)}
            if len(left) == len(keys):
                raise ParameterError(f"there is no key {name!r}")
            self._write(left)

    def _changing(self) -> _Changing:
        os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
        return _Changing(self)

    def _read(self) -> dict[str, ClientKey]:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return self._keys
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            try:
                with open(self.path, "rb") as file:
                    listed = msgspec.json.decode(file.read(), type=list[ClientKey])
            except (OSError, msgspec.MsgspecError) as error:
                raise ConfigurationError(f"the keys in {self.path} cannot be read: {error}") from error
            self._keys, self._seen = {key.digest: key for key in listed}, seen
        return self._keys

    def _write(self, keys: dict[str, ClientKey]) -> None:
        """In one step, so that a server that reads meanwhile sees the old keys or the new."""
        handle, name = tempfile.mkstemp(dir=os.path.dirname(self.path) or ".", prefix=FILE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([msgspec.to_builtins(key) for key in keys.values()], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self.path)


class _Changing:
    """The keys, while nobody else changes them."""

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._lock = FileLock(f"{file.path}.lock")

    def __enter__(self) -> dict[str, ClientKey]:
        self._lock.acquire()
        return dict(self._file._read())  # a part of it

    def __exit__(self, *_: object) -> None:
        self._lock.release()
