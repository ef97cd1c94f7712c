"""Keys of clients: made here, shown once, kept as hashes, in a file of their own or beside the ledger.

A key is 256 bits of chance, so that a plain SHA-256 is enough to keep it by, and looking one up by its hash tells
nothing by the time it takes. Whoever has the file can make no key of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterable

import msgspec
from filelock import FileLock

from airouter_core.config.folders import config_folder
from airouter_core.errors import ConfigurationError, ParameterError

from .bounds import Bounds, Team

PREFIX = "air-"
SHOWN = 10
"""Characters of a key that may be seen: enough to tell keys apart, and of no use else."""
FILE = "gateway-keys.json"
FIELDS = ("name", "digest", "prefix", "models", "expires", "rpm", "created")


class ClientKey(Bounds, frozen=True, kw_only=True):
    """What is known of a key, and how much may be asked with it.

    Attributes:
        name: of whom it is; budgets cover calls by it.
        digest: SHA-256 of the key, in hexadecimal digits.
        prefix: how it begins.
        id: stays when the key itself is changed; empty for one of a file.
        team: whose bounds hold too, by name; ``of_team`` is the team.
        disabled: whether it is switched off.
        expires, created: seconds since 1970, if ever.
    """

    name: str
    digest: str
    prefix: str
    id: str = ""
    team: str | None = None
    of_team: Team | None = None
    disabled: bool = False
    expires: float | None = None
    created: float = 0.0

    def allows(self, *names: str) -> bool:
        """Whether one of the names of a model is among those that it may use, and its team too."""
        return self.permits(*names) and (self.of_team is None or self.of_team.permits(*names))

    @property
    def is_for_some(self) -> bool:
        """Whether it is for some models only."""
        return bool(self.models or (self.of_team is not None and self.of_team.models))

    @property
    def is_off(self) -> bool:
        """Whether it, or its team, is switched off."""
        return self.disabled or (self.of_team is not None and self.of_team.disabled)

    def is_expired(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.expires is not None and now >= self.expires


def new_key() -> str:
    """256 bits of chance, as a client gives them."""
    return PREFIX + secrets.token_urlsafe(32)


def require_name(name: str) -> None:
    """Refuse what is no name of a key or a team.

    Raises:
        ParameterError: it is none.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 100 or "/" in name:
        raise ParameterError("a name is up to 100 printable characters, without a slash")


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

    def all_keys(self) -> list[ClientKey]:
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
        require_name(name)
        key = new_key()
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
            json.dump([_plain(key) for key in keys.values()], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self.path)


def _plain(key: ClientKey) -> dict[str, object]:
    """What a file says of a key: nothing of what only the ledger's database bounds."""
    said: dict[str, object] = msgspec.to_builtins(key)
    return {name: value for name, value in said.items() if name in FIELDS}


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
