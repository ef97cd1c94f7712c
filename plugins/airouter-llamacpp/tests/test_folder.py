"""The models folder: what is listed, and which file a name means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airouter_core.errors import AirouterError, ConfigurationError, ModelNotFoundError
from airouter_llamacpp import entries as entries_module
from airouter_llamacpp import folder as folder_module
from airouter_llamacpp import gguf, gguf_window
from airouter_llamacpp.folder import ModelFolder

from .conftest import make_gguf


def small_gguf(metadata: Mapping[str, Any] | None = None, *, rows: int = 4, dimensions: tuple[int, ...] = ()) -> bytes:
    """Write a file with one F16 tensor of 8 columns; ``None`` removes a key that a model has."""
    described = {"general.name": None, "general.file_type": 15, **(metadata or {})}
    return make_gguf(described, [("token_embd.weight", dimensions or (8, rows), 1)])


def put(folder: Path, name: str, metadata: Mapping[str, Any] | None = None, **options: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small_gguf(metadata, **options))
    return path


def put_split(folder: Path, stem: str, count: int, *, named: int | None = None) -> list[Path]:
    return [
        put(
            folder,
            f"{stem}-{number + 1:05}-of-{named or count:05}.gguf",
            {
                "split.no": number,
                "split.count": count,
                "split.tensors.count": count,
                "general.architecture": None if number else "llama",
            },
        )
        for number in range(count)
    ]


def ids(folder: Path) -> list[str]:
    return [model.id for model in ModelFolder(folder).models()]


def problem(folder: Path, name: str) -> str:
    """What the listing says is wrong with a model."""
    return next(model.problem for model in ModelFolder(folder).models() if model.id == name) or ""


def test_a_model_is_described(tmp_path: Path) -> None:
    """A listing has all that the header tells."""
    path = put(tmp_path, "org/Tiny-Q4_K_M.gguf", {"general.name": "Tiny", "tokenizer.chat_template": "x"}, rows=55_600)
    (model,) = ModelFolder(tmp_path).models()
    assert (model.id, model.name, model.provider) == ("org/Tiny-Q4_K_M", "Tiny", "llama-cpp")
    assert (model.context_length, model.parameters, model.quantization) == (4096, "444.8K", "Q4_K_M")
    assert (model.size, model.family, model.capabilities) == (path.stat().st_size, "llama", ("chat",))
    assert (model.input_modalities, model.problem) == (("text",), None)
    assert model.raw["path"] == str(path)
    assert model.raw["chat_template"] is True


def test_models_are_sorted_and_found_in_nested_folders(tmp_path: Path) -> None:
    """Every depth and every spelling of the extension counts; other files do not."""
    for name in ("b.gguf", "A.GGUF", "deep/er/c.Gguf"):
        put(tmp_path, name)
    for name in ("readme.md", "model.bin", "x.gguf.part", "gguf", ".gguf", "._b.gguf"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.gguf").mkdir()
    assert ids(tmp_path) == ["A", "b", "deep/er/c"]


def test_the_file_names_a_model_without_a_name(tmp_path: Path) -> None:
    """Without ``general.name`` the stem serves."""
    put(tmp_path, "org/some-model.gguf")
    assert ModelFolder(tmp_path).models()[0].name == "some-model"


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (444_800, "444.8K"),
        (999_949, "999.9K"),
        (999_950, "1.0M"),
        (1_235_814_432, "1.2B"),
        (7 * 10**9, "7.0B"),
        (10**12, "1.0T"),
        (2**63, "9223372.0T"),
    ],
)
def test_weights_are_counted_as_people_do(weights: int, text: str) -> None:
    """One decimal, and never 1000.0 of a unit."""
    assert folder_module._count(weights) == text


def test_capabilities_follow_the_model(tmp_path: Path) -> None:
    """Models for chat, for vectors and for ranking are told apart."""
    put(tmp_path, "a.gguf")
    put(tmp_path, "b.gguf", {"general.architecture": "bert"})
    put(tmp_path, "c.gguf", {"llama.pooling_type": 4})
    assert [m.capabilities for m in ModelFolder(tmp_path).models()] == [("chat",), ("embeddings",), ("rerank",)]


def test_a_split_model_is_one_model(tmp_path: Path) -> None:
    """Its id has no suffix, its size and weights are those of all parts, and its path is the first part's."""
    paths = put_split(tmp_path, "big/Model-Q8_0", 3)
    folder = ModelFolder(tmp_path)
    (model,) = folder.models()
    assert (model.id, model.problem, model.parameters) == ("big/Model-Q8_0", None, "96")
    assert model.size == sum(path.stat().st_size for path in paths)
    for name in ("big/Model-Q8_0", "model", "Model-Q8_0-00001-of-00003.gguf", "big/Model-Q8_0-00001-of-00003"):
        found = folder.find(name)
        assert (found.path, found.parts) == (str(paths[0]), tuple(map(str, paths)))
        assert found.size == model.size


def test_a_missing_part_is_a_problem(tmp_path: Path) -> None:
    """Whichever part is missing, it is named."""
    for missing in range(3):
        put_split(tmp_path, "m", 3)[missing].unlink()
        assert f"part {missing + 1} is not" in problem(tmp_path, "m")
    with pytest.raises(ConfigurationError, match=r"2 of 3 parts are there.*download"):
        ModelFolder(tmp_path).find("m")


def test_parts_must_belong_together(tmp_path: Path) -> None:
    """A part of another model, a damaged part, a renamed part: each is a problem of the model."""
    put_split(tmp_path, "a", 2)
    put(tmp_path, "a-00002-of-00002.gguf", {"split.no": 1, "split.count": 2}).write_bytes(b"GGUF")
    assert problem(tmp_path, "a").startswith("part 2 of 2: it is damaged")
    put_split(tmp_path, "b", 3, named=4)
    put(tmp_path, "b-00004-of-00004.gguf")
    assert "do not belong together" in problem(tmp_path, "b")
    put_split(tmp_path, "c", 2)[0].rename(tmp_path / "renamed.gguf")
    assert "NAME-00001-of-00002.gguf" in problem(tmp_path, "renamed")


def test_damaged_files_are_listed_with_their_problem(tmp_path: Path) -> None:
    """One bad download does not hide the others, nor itself."""
    put(tmp_path, "good.gguf")
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "page.gguf").write_bytes(b"<html>")
    (tmp_path / "short.gguf").write_bytes(small_gguf({"general.name": "Short"})[:-10])
    (tmp_path / "mmproj-short.gguf").write_bytes(small_gguf({"general.type": "mmproj"})[:-10])
    (tmp_path / "nowhere.gguf").symlink_to(tmp_path / "absent")
    models = {model.id: model for model in ModelFolder(tmp_path).models()}
    assert models["good"].problem is None
    assert "empty" in (models["empty"].problem or "")
    assert "no GGUF file" in (models["page"].problem or "")
    assert "10 of" in (models["short"].problem or "")
    assert "truncated" in (models["mmproj-short"].problem or "")
    assert "cannot be read" in (models["nowhere"].problem or "")
    assert (models["short"].name, models["short"].context_length) == ("Short", 4096)
    assert (models["page"].name, models["page"].capabilities) == ("page", None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("page", b"<html>", "no GGUF file.*download it again"),
        ("short", small_gguf()[:-10], "10 of .* bytes are missing.*download it again"),
        ("norm", small_gguf(dimensions=(8,)), "F32.*convert the model again"),
    ],
)
def test_a_damaged_model_is_a_configuration_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Asking for it says what is wrong, what to do, and where the file is."""
    (tmp_path / f"{name}.gguf").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        ModelFolder(tmp_path).find(name)
    assert str(tmp_path / f"{name}.gguf") in str(caught.value)


def test_headers_are_read_once_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time and size decide; files that are gone are forgotten."""
    read: list[str] = []

    def counted(path: str) -> Any:
        read.append(os.path.basename(path))
        return original(path)

    original = gguf.read_header
    monkeypatch.setattr(entries_module, "read_header", counted)
    path, other = put(tmp_path, "a.gguf"), put(tmp_path, "b.gguf")
    folder = ModelFolder(tmp_path)
    folder.models()
    folder.models()
    folder.find("a")
    assert sorted(read) == ["a.gguf", "b.gguf"]
    put(tmp_path, "a.gguf", {"general.name": "Longer now"})
    assert folder.find("a").header.name == "Longer now"
    os.utime(path, ns=(1, 1))
    folder.models()
    assert read[2:] == ["a.gguf", "a.gguf"]
    other.unlink()
    assert [model.id for model in folder.models()] == ["a"]
    assert list(folder._headers) == [str(path)]


def test_a_file_that_may_now_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of permissions is noticed, though the content's time stays."""
    path = put(tmp_path, "m.gguf")
    path.chmod(0)
    folder = ModelFolder(tmp_path)
    with monkeypatch.context() as denied:
        error = gguf_window.GgufError("it cannot be read: Permission denied")
        denied.setattr(entries_module, "read_header", lambda _: (_ for _ in ()).throw(error))
        assert folder.models()[0].problem == str(error)
    path.chmod(0o600)
    assert folder.models()[0].problem is None


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    """Models on another drive are found through a link to their folder; each folder is entered once."""
    outside = tmp_path / "outside"
    put(outside, "elsewhere.gguf")
    inside = tmp_path / "inside"
    put(inside, "a/m.gguf")
    (inside / "a/loop").symlink_to(inside)
    (inside / "out").symlink_to(outside)
    (inside / "linked.gguf").symlink_to(outside / "elsewhere.gguf")
    (inside / "b").symlink_to(inside / "a")
    (outside / "back").symlink_to(inside)
    assert ids(inside) == ["a/m", "linked", "out/elsewhere"]
    assert ModelFolder(inside).find("linked").path == str(inside / "linked.gguf")


def test_a_link_to_everything_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to the folders that are entered, and an error says that there was more."""
    for number in range(30):
        put(tmp_path, f"{number:02}/m{number:02}.gguf")
    monkeypatch.setattr(folder_module, "FOLDERS", 10)
    assert 5 <= len(ids(tmp_path)) <= 10
    folder = ModelFolder(tmp_path)
    with pytest.raises(ModelNotFoundError, match="beyond 10 folders"):
        folder.find("m29")


def test_a_model_may_be_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute or from the working folder, with or without links, as long as it lies in the folder."""
    path = put(tmp_path, "models/a/m.gguf")
    (tmp_path / "alias").symlink_to(tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    for name in (str(path), "models/a/m.gguf", "./models/a/m.gguf", str(tmp_path / "alias/a/m.gguf")):
        assert ModelFolder(tmp_path / "models").find(name).id == "a/m"


def test_a_linked_root_is_the_folder(tmp_path: Path) -> None:
    """``models_dir`` itself may be a link."""
    put(tmp_path / "real", "m.gguf")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert ids(tmp_path / "link") == ["m"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no file is listed with that problem."""
    os.mkfifo(tmp_path / "pipe.gguf")
    assert problem(tmp_path, "pipe") == "it is no regular file"


def test_two_files_never_share_an_id(tmp_path: Path) -> None:
    """Where they would, both keep their file's name as id, and each can be found by it."""
    put_split(tmp_path, "m", 1)
    put(tmp_path, "m.gguf")
    folder = ModelFolder(tmp_path)
    assert [model.id for model in folder.models()] == ["m-00001-of-00001.gguf", "m.gguf"]
    assert folder.find("m.gguf").path == str(tmp_path / "m.gguf")
    assert folder.find("m").path == str(tmp_path / "m.gguf")
    assert folder.find("m-00001-of-00001").path == str(tmp_path / "m-00001-of-00001.gguf")


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the user's folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put(tmp_path / "models", "m.gguf")
    assert ModelFolder("~/models").find("m").path == str(tmp_path / "models" / "m.gguf")


def test_a_folder_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    """Nothing is looked at when it is named; the first question says what to do."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "absent", tmp_path / "file", tmp_path / "a\0b", "~nobody-of-this-name/models"):
        folder = ModelFolder(path)
        with pytest.raises(ConfigurationError, match=r"models_dir .* cannot be read \(.*set models_dir"):
            folder.models()
        with pytest.raises(ConfigurationError, match="cannot be read"):
            folder.find("m")


def unreadable(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Deny folders by hand, because the tests may run as root, who may read everything."""
    original = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_an_unreadable_folder_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the system's own."""
    unreadable(monkeypatch, tmp_path)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        ModelFolder(tmp_path).models()


def test_an_unreadable_folder_inside_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs only its own models, and whoever misses one is told."""
    put(tmp_path, "a.gguf")
    put(tmp_path, "locked/b.gguf")
    unreadable(monkeypatch, tmp_path / "locked")
    assert ids(tmp_path) == ["a"]
    with pytest.raises(ModelNotFoundError, match=r"locked.* could not be read"):
        ModelFolder(tmp_path).find("b")


@pytest.mark.parametrize(
    "name",
    [
        "Org/Llama-3.2-1B-Instruct-Q4_K_M",
        "Org/Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        "./Org/Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        "Llama-3.2-1B-Instruct-Q4_K_M",
        "Llama-3.2-1B-Instruct-Q4_K_M.GGUF",
        "org/llama-3.2-1b-instruct-q4_k_m",
        "LLAMA-3.2-1B-INSTRUCT-Q4_K_M.gguf",
        "org\\llama-3.2-1b-instruct-q4_k_m",
        "Org/Llama-3.2-1B-Instruct",
        "llama-3.2-1b-instruct",
        "llama-3.2-1b-instruct:q4_k_m",
        "Llama 3.2 1B Instruct",
        "llama_3.2_1b_instruct",
        " llama-3.2-1b-instruct ",
        "Meta's Llama",
        "meta's llama",
    ],
)
def test_a_name_is_resolved_as_people_type_it(tmp_path: Path, name: str) -> None:
    """With or without folder, extension, quantization and case, and by its title."""
    path = put(tmp_path, "Org/Llama-3.2-1B-Instruct-Q4_K_M.gguf", {"general.name": "Meta's Llama"})
    put(tmp_path, "other.gguf")
    assert ModelFolder(tmp_path).find(name).path == str(path)


@pytest.mark.parametrize(
    "suffix", ["-Q4_K_M", ".Q4_K_M", "-f16", "-BF16", ".IQ2_XXS", "_q8_0", "-UD-Q4_K_XL", "-MXFP4"]
)
def test_quantization_suffixes_may_be_left_out(tmp_path: Path, suffix: str) -> None:
    """In the spellings that are in use."""
    put(tmp_path, f"Some-Model-7B{suffix}.gguf")
    assert ModelFolder(tmp_path).find("some-model-7b").id == f"Some-Model-7B{suffix}"


def test_exact_names_win(tmp_path: Path) -> None:
    """A looser reading never competes with a stricter one."""
    for name in ("m.gguf", "M.gguf", "a/m.gguf", "m-Q4_0.gguf", "m-Q8_0.gguf"):
        put(tmp_path, name, {"general.name": "a/M"})
    folder = ModelFolder(tmp_path)
    for name in ("m", "M", "a/m", "m-Q4_0"):
        assert folder.find(name).id == name
    assert folder.find("A/M").id == "a/m"


def test_a_quantization_that_is_typed_must_fit(tmp_path: Path) -> None:
    """Another quantization is another model."""
    put(tmp_path, "m-Q4_0.gguf")
    with pytest.raises(ModelNotFoundError, match="did you mean 'm-Q4_0'"):
        ModelFolder(tmp_path).find("m-Q8_0")


def test_ambiguous_names_list_their_candidates(tmp_path: Path) -> None:
    """Nothing is guessed; a candidate that cannot be used is none."""
    put(tmp_path, "a/m-Q4_0.gguf")
    put(tmp_path, "b/m-Q8_0.gguf")
    folder = ModelFolder(tmp_path)
    with pytest.raises(ConfigurationError, match=r"'m' fits 2 models .* name one of: 'a/m-Q4_0', 'b/m-Q8_0'"):
        folder.find("m")
    (tmp_path / "b/m-Q8_0.gguf").write_bytes(b"GGUF")
    assert folder.find("m").id == "a/m-Q4_0"
    (tmp_path / "a/m-Q4_0.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigurationError, match="fits 2 models"):
        folder.find("m")


def test_links_to_one_file_are_not_ambiguous(tmp_path: Path) -> None:
    """A download cache shows one file under several snapshots."""
    path = put(tmp_path, "a/m.gguf")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/m.gguf").symlink_to(path)
    assert ModelFolder(tmp_path).find("m").id == "a/m"


def test_close_names_are_suggested(tmp_path: Path) -> None:
    """A typing error is answered with what was probably meant."""
    put(tmp_path, "Qwen3-4B-Q4_K_M.gguf")
    put(tmp_path, "other.gguf")
    with pytest.raises(ModelNotFoundError, match="did you mean 'Qwen3-4B-Q4_K_M'") as caught:
        ModelFolder(tmp_path).find("qwne3-4b-q4_k_m")
    assert caught.value.provider == "llama-cpp"


def test_what_there_is_is_listed_shortly(tmp_path: Path) -> None:
    """Ten names and a number."""
    for number in range(12):
        put(tmp_path, f"m{number:02}.gguf")
    with pytest.raises(ModelNotFoundError, match=r"there are: 'm00', .*'m09' and 2 more$"):
        ModelFolder(tmp_path).find("something else entirely")


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    """And what to do."""
    with pytest.raises(ModelNotFoundError, match="it holds no GGUF file; put a model there"):
        ModelFolder(tmp_path).find("m")
    put(tmp_path, "lora.gguf", {"general.type": "adapter"})
    with pytest.raises(ModelNotFoundError, match="no GGUF model but 1 other"):
        ModelFolder(tmp_path).find("m")
    with pytest.raises(ModelNotFoundError, match=r"'lora.gguf' is of the kind 'adapter'"):
        ModelFolder(tmp_path).find("lora")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../outside",
        "a/../../outside",
        "..",
        "a\0b",
        "C:\\models\\m",
        "a\\..\\m",
        "\\\\host\\m",
        "~/m.gguf",
    ],
)
def test_names_stay_inside_the_folder(tmp_path: Path, name: str) -> None:
    """What lies outside cannot be named, even where there is such a file."""
    put(tmp_path, "outside.gguf")
    put(tmp_path / "models", "m.gguf")
    with pytest.raises(ModelNotFoundError, match="models_dir") as caught:
        ModelFolder(tmp_path / "models").find(name)
    assert str(tmp_path / "models") in str(caught.value)


@pytest.mark.parametrize("name", ["mmproj-Gemma-4b-it-f16", "Gemma-4b-it-mmproj-f16", "mmproj-Gemma-4b", "MMPROJ.BF16"])
def test_a_projector_goes_with_its_model(tmp_path: Path, name: str) -> None:
    """It is found beside the model by its name, is no model itself, and lends the model its eyes."""
    put(tmp_path, "g/Gemma-4b-it-Q4_K_M.gguf")
    put(tmp_path, "g/Gemma-4b-it-Q8_0.gguf")
    path = put(tmp_path, f"g/{name}.gguf", {"general.architecture": "clip"})
    put(tmp_path, "elsewhere/Gemma-4b-it-Q4_K_M.gguf")
    folder = ModelFolder(tmp_path)
    models = {model.id: model for model in folder.models()}
    assert sorted(models) == ["elsewhere/Gemma-4b-it-Q4_K_M", "g/Gemma-4b-it-Q4_K_M", "g/Gemma-4b-it-Q8_0"]
    for model in ("g/Gemma-4b-it-Q4_K_M", "g/Gemma-4b-it-Q8_0"):
        assert folder.find(model).mmproj == str(path)
        assert (models[model].input_modalities, models[model].capabilities) == (("text", "image"), ("chat", "vision"))
    assert folder.find("elsewhere/Gemma-4b-it-Q4_K_M").mmproj is None


def test_a_projector_of_another_model_is_left_alone(tmp_path: Path) -> None:
    """In a folder with several models the name or the title must agree."""
    put(tmp_path, "Qwen-VL-Q4_0.gguf", {"general.name": "Qwen VL"})
    put(tmp_path, "Llama-Q4_0.gguf")
    path = put(tmp_path, "mmproj-model-f16.gguf", {"general.type": "mmproj"})
    folder = ModelFolder(tmp_path)
    assert folder.find("Qwen-VL").mmproj is None
    put(tmp_path, "mmproj-model-f16.gguf", {"general.type": "mmproj", "general.name": "Qwen VL"})
    assert folder.find("Qwen-VL").mmproj == str(path)
    assert folder.find("Llama").mmproj is None


def test_a_projector_that_is_as_wide_as_another_model_is_left_alone(tmp_path: Path) -> None:
    """Whatever it is called: the engine would not start with it. Old files tell the width by their tensors alone."""
    put(tmp_path, "m.gguf", {"llama.embedding_length": 8})
    clip = {"general.architecture": "clip", "general.name": "T"}
    path = put(tmp_path, "mmproj-m.gguf", {**clip, "clip.vision.projection_dim": 4096})
    folder = ModelFolder(tmp_path)
    assert folder.find("m").mmproj is None
    assert folder.models()[0].input_modalities == ("text",)
    path.write_bytes(make_gguf({**clip, "clip.vision.projection_dim": 768}, [("mm.2.weight", (16, 8), 1)]))
    assert folder.find("m").mmproj == str(path)
    path.write_bytes(make_gguf({**clip, "clip.vision.projection_dim": 768}, [("mm.2.weight", (16, 9), 1)]))
    assert folder.find("m").mmproj is None


def test_what_only_drafts_is_no_model(tmp_path: Path) -> None:
    """Its architecture tells, not its name; a plain model may be called a draft."""
    put(tmp_path, "model.gguf", {"general.architecture": "eagle3"})
    put(tmp_path, "draft-mtp.gguf")
    assert ids(tmp_path) == ["draft-mtp"]
    with pytest.raises(ModelNotFoundError, match="of the kind 'draft'"):
        ModelFolder(tmp_path).find("model")
    assert ModelFolder(tmp_path).find("model", drafts=True).header.architecture == "eagle3"


def test_of_several_projectors_the_best_is_taken(tmp_path: Path) -> None:
    """The best fit first, then F16; a damaged one is never taken."""
    put(tmp_path, "m.gguf")
    clip = {"general.architecture": "clip"}
    put(tmp_path, "mmproj-m-F32.gguf", {**clip, "general.file_type": 0})
    path = put(tmp_path, "mmproj-m-f16.gguf", {**clip, "general.file_type": 1})
    put(tmp_path, "mmproj-f16.gguf", {**clip, "general.file_type": 1})
    folder = ModelFolder(tmp_path)
    assert folder.find("m").mmproj == str(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert folder.find("m").mmproj == str(tmp_path / "mmproj-m-F32.gguf")


def test_a_projector_may_be_for_sound(tmp_path: Path) -> None:
    """What it takes is what it says it takes."""
    put(tmp_path, "m.gguf")
    put(tmp_path, "mmproj-m.gguf", {"general.type": "mmproj", "clip.has_audio_encoder": True})
    (model,) = ModelFolder(tmp_path).models()
    assert (model.input_modalities, model.capabilities) == (("text", "audio"), ("chat",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=40))
@example("")
@example("." * 3)
@example("[")
def test_any_text_is_found_or_refused(tmp_path: Path, name: str) -> None:
    """No name raises anything but the library's own errors."""
    if not (tmp_path / "m.gguf").exists():
        put(tmp_path, "m.gguf")
        put(tmp_path, "mmproj-[.gguf", {"general.type": "mmproj"})
    try:
        found = ModelFolder(tmp_path).find(name).id
    except AirouterError as error:
        found = str(error)
    assert found == "m" or 20 < len(found) < 1000


def test_file_names_need_not_be_text(tmp_path: Path) -> None:
    """A name that is no UTF-8 is listed in a form that can be printed, and found by it."""
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.gguf")).write_bytes(small_gguf())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    folder = ModelFolder(tmp_path)
    (model,) = folder.models()
    assert model.id == "caf�"
    assert os.path.exists(folder.find(model.id).path)
