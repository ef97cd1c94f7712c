"""Build what is published, and try it as a stranger's machine would: make release.

    python tools/release.py version 0.2.0    every distribution says this version; they move together
    python tools/release.py build [FOLDER]   build all into FOLDER (dist), check, write the SBOM and the checksums

A wheel is made from the sdist, with the time of the last commit, so whoever builds the same commit gets the same bytes.
The SBOM (CycloneDX) tells what an environment with all of ours holds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
CORE = ROOT / "airouter_core" / "version.py"
OF_CORE = re.compile(r'^(VERSION: str = ")[^"]+(")', re.MULTILINE)
OF_PLUGIN = re.compile(r'^(version = ")[^"]+(")', re.MULTILINE)
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
SUMS, SBOM = "SHA256SUMS", "sbom.cdx.json"


def versions() -> dict[str, str]:
    """What each distribution says of itself: name to version."""
    found = OF_CORE.search(CORE.read_text(encoding="utf-8"))
    assert found is not None
    said = {"airouter-core": found[0].split('"')[1]}
    for plugin in PLUGINS:
        said[plugin.name] = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return said


def set_version(version: str) -> None:
    """Write ``version`` into every distribution.

    Raises:
        SystemExit: it is none that the package index takes (PEP 440, as ``X.Y.Z`` or ``X.Y.ZrcN``).
    """
    if not VERSION.fullmatch(version):
        sys.exit(f"{version!r} is no version: write it as 1.2.3 or 1.2.3rc1")
    for path, pattern in ((CORE, OF_CORE), *((plugin / "pyproject.toml", OF_PLUGIN) for plugin in PLUGINS)):
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(rf"\g<1>{version}\g<2>", text, count=1), encoding="utf-8")


def build(folder: Path, *, allow_changes: bool) -> None:
    """Build every distribution into an empty ``folder`` and check it.

    Raises:
        SystemExit: something is not committed, the versions differ, or a check failed.
    """
    said = versions()
    if len(set(said.values())) > 1:
        sys.exit(f"the versions differ: {said}")
    if not allow_changes and _output("git", "status", "--porcelain"):
        sys.exit("commit first (or --allow-changes): what is published must be what a commit holds")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    stamped = {**os.environ, "SOURCE_DATE_EPOCH": _output("git", "log", "-1", "--format=%ct")}
    for project in (ROOT, *PLUGINS):
        _tell(f"building {project.name if project != ROOT else 'airouter-core'}")
        _run(sys.executable, "-m", "build", "--outdir", str(folder), str(project), env=stamped, quiet=True)
    files = sorted(folder.iterdir())
    _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    _write_sbom(folder)
    _tell("trying the wheels in fresh environments")
    tried = {**os.environ, "AIROUTER_DIST": str(folder)}
    _run(sys.executable, "-m", "pytest", "-q", "-m", "release", "tests/release", env=tried)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(folder.iterdir())]
    (folder / SUMS).write_text("\n".join(sums) + "\n", encoding="utf-8")
    _tell(f"{len(files)} files, {SBOM} and {SUMS} in {folder}")


def _write_sbom(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        _tell("installing all of it, for the SBOM")
        _run(sys.executable, "-m", "venv", place)
        python = str(Path(place) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        # Distributions of ours are taken from the folder, and their needs from the index.
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--find-links", str(folder))
        _run(*pip, *map(str, sorted(folder.glob("*.whl"))))
        kind = ("--output-format", "JSON", "--output-file", str(folder / SBOM))
        _run(sys.executable, "-m", "cyclonedx_py", "environment", *kind, python)


def _tell(words: str) -> None:
    print(f"== {words}", flush=True)  # what a person at the terminal waits for


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _run(*command: str, env: dict[str, str] | None = None, quiet: bool = False) -> None:
    result = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=quiet, text=True)
    if result.returncode:
        sys.exit((result.stdout + result.stderr if quiet else "") + f"failed: {' '.join(command[:4])} …")


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version").add_argument("version")
    building = commands.add_parser("build")
    building.add_argument("folder", nargs="?", default=ROOT / "dist", type=Path)
    building.add_argument("--allow-changes", action="store_true", help="build what is not committed, to try it")
    asked = parser.parse_args()
    if asked.command == "version":
        set_version(asked.version)
    else:
        build(asked.folder.resolve(), allow_changes=asked.allow_changes)


if __name__ == "__main__":
    main()
