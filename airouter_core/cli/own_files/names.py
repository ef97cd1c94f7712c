"""Files of the user's own in which each line gives a name to something: a model, a text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import attrs

from ...config.folders import config_folder
from ...config.writing import alone, write_whole
from ...errors import ConfigurationError
from .editing import parsed_toml, read_text, with_lines

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@attrs.frozen
class Names:
    """Names and what they stand for, in one TOML file of the user's settings folder.

    They are kept beside the settings file and not in it, so that they count in every folder, also in one that has a
    settings file of its own; no file that somebody else has written can say where a name leads.

    Attributes:
        file_name: of the file.
        what: they are, for errors, such as ``"the aliases"``.
        one: of them, for errors, such as ``"an alias"``.
        stands_for: what each leads to, for errors, such as ``"an address"``.
    """

    file_name: str
    what: str
    one: str
    stands_for: str

    def path(self, environ: Mapping[str, str] | None = None) -> str:
        """Where they are kept."""
        return os.path.join(config_folder(environ), self.file_name)

    def read(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """All of them.

        Raises:
            ConfigurationError: the file cannot be read, or holds something else.
        """
        path = self.path(environ)
        found = parsed_toml(read_text(path), path)
        for name, value in found.items():
            if not isinstance(value, str):
                raise ConfigurationError(
                    f"{path!r}: {name} must be {self.stands_for} in quotation marks, not {value!r}"
                )
        return found

    def set(self, name: str, value: str, environ: Mapping[str, str] | None = None) -> None:
        """Let a name stand for something, in place of what it stood for.

        Raises:
            ConfigurationError: the name is no word of letters, digits, ``.``, ``_`` and ``-``, or cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{self.one} is a word of letters, digits, '.', '_' and '-', not {name!r}")
        self._change(name, value, environ)

    def remove(self, name: str, environ: Mapping[str, str] | None = None) -> bool:
        """Forget a name; whether there was one.

        Raises:
            ConfigurationError: it cannot be written.
        """
        if name not in self.read(environ):
            return False
        self._change(name, None, environ)
        return True

    def _change(self, name: str, value: str | None, environ: Mapping[str, str] | None) -> None:
        path = self.path(environ)
        with alone(os.path.realpath(path), self.what):
            write_whole(path, with_lines(read_text(path), path, None, {name: value}), self.what)
