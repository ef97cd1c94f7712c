"""What is wrong with the settings file: ``config check`` and ``doctor`` say the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

from ..config.files import Settings
from ..errors import AirouterError, MissingApiKeyError
from ..plugins.factory import create_provider
from ..plugins.registry import installed
from ..plugins.tables import own_settings, require_known
from .output import told
from .targets import provider_table


@attrs.frozen
class Finding:
    """How one table is doing.

    Attributes:
        state: ``"no key"`` is no fault of the file: the key may come from elsewhere later.
        message: what is wrong, and what to do.
    """

    table: str
    state: Literal["ok", "no key", "wrong"]
    message: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Each table of a file, looked at without asking any network."""
    plugins = installed()
    own = plugins.tables()
    for name in settings.tables:
        try:
            if name in own:
                own_settings(name, settings=settings)
                yield Finding(name, "ok")
                continue
            require_known(settings, name, plugins)
            info, table = provider_table(name, settings)
            create_provider(info.name, fallback=table).close()
        except MissingApiKeyError as error:
            yield Finding(name, "no key", told(error))
        except AirouterError as error:
            said = told(error)
            yield Finding(
                name, "wrong", said if said.startswith(settings.path) else f"{settings.path}: [{name}] {said}"
            )
        else:
            yield Finding(name, "ok")
