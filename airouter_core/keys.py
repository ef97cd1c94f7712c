"""Keys by name: in the system's keyring where the ``keyring`` package finds one, else in a file of the user's own."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from .config.folders import config_folder, is_exposed
from .config.writing import alone, write_whole
from .errors import ConfigurationError

SERVICE = "airouter"
KEYS = "the keys"
INDEX = "names of stored keys"
"""The entry of the keyring that lists the others: keyrings cannot be listed."""


class KeyStore(ABC):
    """Keys by name."""

    place: str

    @staticmethod
    def default(environ: Mapping[str, str] | None = None) -> KeyStore:
        """The system's keyring, or a file; ``AIROUTER_KEYS_FILE`` names the file and takes it for sure."""
        environ = os.environ if environ is None else environ
        named = environ.get("AIROUTER_KEYS_FILE")
        if named:
            return FileKeyStore(named)
        return _system_keyring(environ) or FileKeyStore(os.path.join(config_folder(environ), "keys.json"))

    @abstractmethod
    def get(self, name: str) -> str | None:
        """The key of this name, or ``None``."""

    @abstractmethod
    def set(self, name: str, key: str) -> None:
        """Store a key, in place of an earlier one of this name."""

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Forget a key; whether there was one."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all keys stored."""


class FileKeyStore(KeyStore):
    """A JSON file that only its owner may read."""

    def __init__(self, path: str) -> None:
        self.place = path

    def get(self, name: str) -> str | None:
        return self._read().get(name)

    def set(self, name: str, key: str) -> None:
        with alone(self._target(), KEYS):
            self._write({**self._read(), name: key})

    def remove(self, name: str) -> bool:
        with alone(self._target(), KEYS):
            keys = self._read()
            if keys.pop(name, None) is None:
                return False
            self._write(keys)
        return True

    def names(self) -> list[str]:
        return sorted(self._read())

    def _read(self) -> dict[str, str]:
        try:
            with open(self.place, encoding="utf-8") as file:
                keys = json.load(file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigurationError(f"cannot read the keys in {self.place!r}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{self.place!r} is not valid JSON: {error}; mend it, or remove it") from None
        if is_exposed(self.place):
            raise ConfigurationError(f"others may read the keys in {self.place!r}: chmod 600 {self.place}")
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise ConfigurationError(f"{self.place!r} does not hold keys by name; remove it and set them again")
        return keys

    def _target(self) -> str:
        """The file itself: a link, as people have who keep their settings in a repository, stays a link to it."""
        return os.path.realpath(self.place)

    def _write(self, keys: Mapping[str, str]) -> None:
        write_whole(self.place, json.dumps(keys, indent=1), KEYS)


class SystemKeyStore(KeyStore):
    """The keyring of the desktop, as the ``keyring`` package finds it."""

    def __init__(self, keyring: Any, folder: str | None = None) -> None:
        self._keyring = keyring
        self._guarded = os.path.join(folder or config_folder(), "keyring")
        self.place = f"the system's keyring ({keyring.get_keyring().name})"

    def get(self, name: str) -> str | None:
        key: str | None = self._keyring.get_password(SERVICE, name)
        return key

    def set(self, name: str, key: str) -> None:
        with alone(self._guarded, KEYS):
            self._keyring.set_password(SERVICE, name, key)
            self._keyring.set_password(SERVICE, INDEX, json.dumps(sorted({*self.names(), name})))

    def remove(self, name: str) -> bool:
        with alone(self._guarded, KEYS):
            if self.get(name) is None:
                return False
            self._keyring.delete_password(SERVICE, name)
            self._keyring.set_password(SERVICE, INDEX, json.dumps([other for other in self.names() if other != name]))
        return True

    def names(self) -> list[str]:
        return list(json.loads(self._keyring.get_password(SERVICE, INDEX) or "[]"))


def _system_keyring(environ: Mapping[str, str]) -> KeyStore | None:
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]  # an extra; users' checkers look in here too
        from keyring.backends import fail  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else SystemKeyStore(keyring, config_folder(environ))
