"""What may not be guessed: a file of this machine is nobody's model elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from airouter_core.errors import UnknownProviderError
from airouter_core.manager.addresses import Address, Candidate, resolve
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.values.catalog import ModelInfo

ELSEWHERE = ProviderInfo(name="elsewhere", target="a:B", model_patterns=("*/*", "gpt-*"))
HERE = ProviderInfo(name="here", target="a:C", kind="local")


def candidate(info: ProviderInfo, models: Iterable[ModelInfo] = ()) -> Candidate:
    return Candidate(info.name, info, lambda: list(models), lambda: True)


@pytest.mark.parametrize("path", ["./m.gguf", "/abs/m.gguf", "~/models/m.gguf", "../up/m.gguf"])
def test_a_path_leaves_this_machine_by_no_pattern(path: str) -> None:
    """Where nobody here has it, it is an error that names no provider elsewhere as the one."""
    with pytest.raises(UnknownProviderError, match="no provider claims the model"):
        resolve(path, [candidate(ELSEWHERE)], Plugins([]))


def test_a_name_that_is_listed_by_either_of_its_forms() -> None:
    """A local provider may list a model by two names; each is its own."""
    model = ModelInfo(id="someone/model:latest", name="someone/model", provider="here")
    both = [candidate(ELSEWHERE), candidate(HERE, [model])]
    for name in ("someone/model", "someone/model:latest"):
        assert resolve(name, both, Plugins([])) == Address("here", name)
    assert resolve("someone/other", both, Plugins([])) == Address("elsewhere", "someone/other")
