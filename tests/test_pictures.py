"""Pictures that are written to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from airouter_core.errors import ParameterError
from airouter_core.values.messages import FilePart
from airouter_core.values.pictures import prepared_target, save

PNG, WEBP = FilePart("image/png", data=b"one"), FilePart("image/webp", data=b"two")


def test_a_file_gets_the_first_and_numbered_names_the_others(tmp_path: Path) -> None:
    """The folder is made, also when nobody has seen it before."""
    target = prepared_target(tmp_path / "new" / "cat.png")
    assert save(target, [PNG, WEBP]) == [target, str(tmp_path / "new" / "cat-2.png")]
    assert (tmp_path / "new" / "cat.png").read_bytes() == b"one"


def test_a_folder_gets_numbered_files_of_their_kinds(tmp_path: Path) -> None:
    """A name without an ending is a folder."""
    target = prepared_target(tmp_path / "cats")
    assert [Path(path).name for path in save(target, [PNG, WEBP])] == ["image-1.png", "image-2.webp"]


def test_what_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    """Before anything is made, where that can be seen."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ParameterError, match="cannot make the folder"):
        prepared_target(tmp_path / "file" / "cat.png")
    (tmp_path / "cat.png").mkdir()
    with pytest.raises(ParameterError, match="cannot write"):
        save(str(tmp_path / "gone" / "cat.png"), [PNG])
