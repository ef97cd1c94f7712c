"""Pictures that a model made, written to files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import ParameterError
from .messages import FilePart


def prepared_target(save_to: str | os.PathLike[str]) -> str:
    """The path to save to, after seeing that it can be written: a picture that cannot be kept costs money all the same.

    Raises:
        ParameterError: its folder can be neither found nor made.
    """
    target = os.fspath(save_to)
    folder = target if _is_folder(target) else os.path.dirname(target)
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except OSError as error:
        raise ParameterError(f"save_to: cannot make the folder {folder!r}: {error.strerror or error}") from error
    return target


def save(target: str, pictures: Sequence[FilePart]) -> list[str]:
    """Write pictures, and return where.

    A folder gets ``image-1.png``, ``image-2.png``…; a file the first picture, and its name with ``-2``… the others.

    Raises:
        ParameterError: one cannot be written.
    """
    paths = []
    for number, picture in enumerate(pictures, start=1):
        path = _path(target, number, picture.media_type.rpartition("/")[2].partition("+")[0])
        try:
            with open(path, "wb") as file:
                file.write(picture.data or b"")
        except OSError as error:
            raise ParameterError(f"save_to: cannot write {path!r}: {error.strerror or error}") from error
        paths.append(path)
    return paths


def _path(target: str, number: int, extension: str) -> str:
    if _is_folder(target):
        return os.path.join(target, f"image-{number}.{extension}")
    stem, suffix = os.path.splitext(target)
    return target if number == 1 else f"{stem}-{number}{suffix}"


def _is_folder(target: str) -> bool:
    return os.path.isdir(target) or target.endswith(os.sep) or not os.path.splitext(target)[1]
