"""Keys by name: in the system's keyring where the ``keyring`` package finds one, else in a file of the user's own."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from .config.folders import config_folder, is_exposed
from .config.writing import alone, write_whole
from .errors import ConfigurationError

SERVICE = "airouter"
KEYS_FILE = "AIROUTER_KEYS_FILE"
"""The variable that names a file for the keys."""
FILE = "keys.json"
"""The file where there is no keyring, beside the settings."""
KEYS = "the keys"
INDEX = "keyring.json"
"""The file beside the settings with the names of the keys that a keyring holds: keyrings cannot be listed."""


class KeyStore(ABC):
    """Keys by name."""

    place: str

    @staticmethod
    def default(environ: Mapping[str, str] | None = None) -> KeyStore:
        """The system's keyring, or a file; ``AIROUTER_KEYS_FILE`` names the file and takes it for sure."""
        environ = os.environ if environ is None else environ
        named = environ.get(KEYS_FILE)
        if named:
            return FileKeyStore(named)
        return _system_keyring(environ) or FileKeyStore(os.path.join(config_folder(environ), FILE))

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
        self._index = os.path.join(folder or config_folder(), INDEX)
        self.place = f"the system's keyring ({keyring.get_keyring().name})"

    def get(self, name: str) -> str | None:
        key: str | None = self._keyring.get_password(SERVICE, name)
        return key

    def set(self, name: str, key: str) -> None:
        with alone(self._index, KEYS):
            self._keyring.set_password(SERVICE, name, key)
            write_whole(self._index, json.dumps(sorted({*self.names(), name})), KEYS)

    def remove(self, name: str) -> bool:
        with alone(self._index, KEYS):
            if self.get(name) is None:
                return False
            self._keyring.delete_password(SERVICE, name)
            write_whole(self._index, json.dumps([other for other in self.names() if other != name]), KEYS)
        return True

    def names(self) -> list[str]:
        return _names_in(self._index)


def stored_names(environ: Mapping[str, str] | None = None) -> set[str]:
    """The names of all keys stored, in a keyring or in the file. No keyring is asked: finding one takes long."""
    environ = os.environ if environ is None else environ
    if named := environ.get(KEYS_FILE):
        return set(FileKeyStore(named).names())
    folder = config_folder(environ)
    return {*_names_in(os.path.join(folder, INDEX)), *FileKeyStore(os.path.join(folder, FILE)).names()}


def stored_key(names: Iterable[str], environ: Mapping[str, str] | None = None) -> str | None:
    """The key stored under the first of these names that has one; a keyring is asked only for what it has.

    Raises:
        ConfigurationError: what is stored cannot be read.
    """
    known = stored_names(environ)
    if not (asked := [name for name in names if name in known]):
        return None
    store = KeyStore.default(environ)
    return next((key for name in asked if (key := store.get(name))), None)


def _names_in(index: str) -> list[str]:
    try:
        with open(index, encoding="utf-8") as file:
            names = json.load(file)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"cannot read the names of the stored keys in {index!r}: {error}") from None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _system_keyring(environ: Mapping[str, str]) -> KeyStore | None:
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]  # an extra; users' checkers look in here too
        from keyring.backends import fail  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else SystemKeyStore(keyring, config_folder(environ))
