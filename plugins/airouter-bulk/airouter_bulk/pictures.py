"""Pictures that a row names: a file below one folder, or an address of the open net."""

from __future__ import annotations

import os

from airouter_core.errors import ParameterError
from airouter_core.values.messages import FilePart, Message
from airouter_core.wire.hosts import may_be_public
from airouter_core.wire.http import MEBIBYTE

MOST = 20 * MEBIBYTE
"""Bytes of one picture; vendors take 5 to 20 MiB."""
WEB = ("http://", "https://", "data:")


def picture(said: str, folder: str) -> FilePart:
    """The picture that is meant; one in a file is read now.

    Raises:
        ParameterError: there is none, it lies elsewhere, or it is too large.
    """
    if said.startswith(WEB):
        part = FilePart.from_url(said)
    else:
        root = os.path.realpath(folder)
        # A row may come from anybody: it must not have this machine's other files sent away.
        try:
            path = os.path.realpath(os.path.join(root, said))
        except ValueError as error:
            raise ParameterError(f"the picture {said[:80]!r} is no path: {error}") from error
        if os.path.commonpath((root, path)) != root:
            raise ParameterError(f"the picture {said!r} is not below {folder}; images_folder says where they lie")
        if os.path.isfile(path) and os.path.getsize(path) > MOST:
            raise ParameterError(f"the picture {said!r} has more than {MOST // MEBIBYTE} MiB")
        part = FilePart.from_path(path)
    if part.data is not None:  # what a file is, not what it is called
        part = FilePart.from_data(part.data)
    if not part.is_image:
        raise ParameterError(f"{said[:80]!r} is no image that is known ({part.media_type})")
    return part


def check_files(messages: tuple[Message, ...]) -> None:
    """See that what a row names or holds can be sent.

    Raises:
        ParameterError: an address leads to a network of one's own, or a file is too large.
    """
    for message in messages:
        for part in message.parts:
            if not isinstance(part, FilePart):
                continue
            if part.url is not None and not may_be_public(part.url):
                raise ParameterError(f"{part.url[:200]} is no address of the open net; only such are sent")
            if part.data is not None and len(part.data) > MOST:
                raise ParameterError(f"a file has more than {MOST // MEBIBYTE} MiB")


def holds_files(messages: tuple[Message, ...]) -> bool:
    """Whether there are bytes in it that are better not kept."""
    return any(isinstance(part, FilePart) and part.data is not None for message in messages for part in message.parts)
