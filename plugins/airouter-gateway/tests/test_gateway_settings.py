"""What a settings file serves: its providers by their names, and its routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from airouter_gateway.serving import serving_from


def test_routes_of_the_file_are_served(tmp_path: Path) -> None:
    """The table of routes is enough; their targets are the file's providers."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    pytest.importorskip("airouter_router", reason="routes are airouter-router's")
    path = tmp_path / "airouter.toml"
    path.write_text(
        '[up]\nprovider = "openai"\napi_key = "${UP_KEY}"\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[routes.fast]\nstrategy = "first"\ntargets = ["up/m"]\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UP_KEY", "sk-of-nobody")
        serving = serving_from(str(path))
    try:
        assert sorted(serving.manager.names) == ["router", "up"]
        assert [model.id for model in serving.manager.provider("router").list_models()] == ["fast"]
    finally:
        serving.manager.close()
