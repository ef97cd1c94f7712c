"""Change the code in many small ways, and see whether the tests notice: ``nox -s mutation``.

cosmic-ray makes the changes (an operator, a constant, a condition). The sample is drawn by a seed, so that two runs try
the same; lines are drawn first and then a change of each, or a line with many operators would count for more.

A change is noticed when a test fails. Its plugin's tests are run, or those of the core (and of the plugins that use
it, where the core's own tests do not name what was changed): the files first that import the changed module, then
those that import what imports it, and so on as grimp knows it, until one fails. They are run in growing stages, for to
collect a whole room takes longer than to run the nearest files. So a change that is noticed costs seconds, and one
that lives as long as all tests of its room. Where the patience that is given ends before, the change is undecided: it
is told apart, and does not count. Everything happens in copies: the working tree is never touched.

What lives is printed as a difference, with the place. A change that nobody can see (an optimisation, say) is named in
``tools/mutants.toml`` with its reason, and does not count.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import difflib
import functools
import itertools
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "airouter_core",
    "plugins",
    "examples",
    "models",
    "tests",
    "docs",
    "tools",
    "benchmarks",
    "conftest.py",
    "noxfile.py",
    "pyproject.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
)
LEFT_OUT = ("templates", "__init__.py", "version.py", "tests", "testing")
"""Parts of the paths of modules that are not changed: templates, values, and the kit, which has planted faults."""
SAME = ("_Eq_Is", "_Is_Eq", "_NotEq_IsNot", "_IsNot_NotEq")
"""Operators whose changes nobody can see: of numbers, short texts and None it is the same to be equal and to be one."""
ELSEWHERE = ("release", "fuzz", "docs", "e2e")
"""Folders of the core's tests that are about other things than its modules."""
FAR = 99
"""How far a file is that imports a module on no way that can be seen: providers are imported by their names."""
HANGING = ("-o", "faulthandler_timeout=100", "-o", "faulthandler_exit_on_timeout=true")
"""A single test that takes so many seconds hangs, and that is noticed."""
STAGES = (4, 16)
"""After how many files, the nearest first, pytest begins anew with the next ones."""
UNDECIDED = "patience"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@attrs.frozen
class Place:
    """Where a line can be changed, and by which operator of cosmic-ray."""

    path: str
    line: int
    operator: str
    occurrence: int


@attrs.frozen
class Mutant:
    """One change."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    text: str = attrs.field(repr=False)

    @property
    def difference(self) -> str:
        pair = ((ROOT / self.path).read_text(encoding="utf-8"), self.text)
        lines = difflib.unified_diff(*(text.splitlines() for text in pair), self.path, self.operator, lineterm="", n=1)
        return "\n".join(lines)


def modules(chosen: Sequence[str]) -> list[str]:
    """The modules of the core and the plugins, or those below the chosen places."""
    found = [*ROOT.glob("airouter_core/**/*.py"), *ROOT.glob("plugins/*/*/**/*.py"), *ROOT.glob("plugins/*/*.py")]
    paths = sorted({path.relative_to(ROOT).as_posix() for path in found})
    kept = [path for path in paths if not set(LEFT_OUT) & set(Path(path).parts)]
    return [path for path in kept if not chosen or path.startswith(tuple(chosen))]


def places_in(path: str) -> Iterator[Place]:
    """Where a module can be changed so that it makes a difference: not in annotations, nor in what is only logged."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = (ROOT / path).read_text(encoding="utf-8")
    quiet, nodes = set(_quiet_lines(ast.parse(text))), list(ast_nodes(get_ast(text)))
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments() or name.endswith(SAME):
            continue
        change = operator()
        found = (place for node in nodes for place in change.mutation_positions(node))
        for occurrence, ((line, _), _) in enumerate(found):
            if line not in quiet:
                yield Place(path, line, name, occurrence)


def mutant_at(place: Place) -> Mutant | None:
    """The change; ``None`` where the operator makes none after all."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    text = (ROOT / place.path).read_text(encoding="utf-8")
    try:
        changed = mutate_code(text, get_operator(place.operator)(), place.occurrence)
        compile(changed or "", place.path, "exec")
    except (AttributeError, IndexError, SyntaxError):  # it stumbled, or took the stars of arguments for a product
        return None
    if changed is None or changed == text:
        return None
    lines, after = text.splitlines(), changed.splitlines()
    last = min(place.line, len(after))
    return Mutant(
        place.path, place.line, place.operator, lines[place.line - 1].strip(), after[last - 1].strip(), changed
    )


def _quiet_lines(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        quiet = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.ClassDef):
            # Whether a class is frozen, say, is what type checkers hold us to, and protocols are for them alone.
            quiet += [keyword.value for keyword in node.keywords]
            quiet += [node] if any("Protocol" in ast.unparse(base) for base in node.bases) else []
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            quiet.append(node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("debug", "overload")
        ):
            quiet.append(node)
        if isinstance(node, ast.Assign) and "|" in ast.unparse(node.value) and isinstance(node.value, ast.BinOp):
            quiet.append(node)  # an alias of a type
        for part in quiet:
            if part is not None:
                yield from range(part.lineno, (part.end_lineno or part.lineno) + 1)


def sample(paths: Sequence[str], size: int, seed: int) -> list[Mutant]:
    """So many changes, of as many lines."""
    chance = random.Random(seed)
    lines = [(path, line) for path in paths for line in range(1, len((ROOT / path).read_bytes().splitlines()) + 1)]
    chance.shuffle(lines)
    places = functools.cache(lambda path: list(places_in(path)))  # takes long, so only for those that are drawn
    drawn: list[Mutant] = []
    for path, line in lines:
        if len(drawn) == size:
            break
        here = [place for place in places(path) if place.line == line]
        drawn.extend(itertools.islice(filter(None, map(mutant_at, chance.sample(here, len(here)))), 1))
    return drawn


class Copy:
    """A copy of the working tree, in which one change at a time is tried."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
            elif source.is_file():
                shutil.copy(source, place / name)
        for name, target in {".cache": ROOT / ".cache", "../shared": ROOT.parent / "shared"}.items():
            link = place / name
            if target.exists() and not link.exists():
                link.symlink_to(target.resolve(), target_is_directory=True)

    def noticed_by(self, mutant: Mutant, files: Sequence[str], patience: float) -> str | None:
        """The test that fails with this change; ``None`` where there is none, `UNDECIDED` where patience ended."""
        path = self.place / mutant.path
        before = path.read_text(encoding="utf-8")
        path.write_text(mutant.text, encoding="utf-8")
        end = time.monotonic() + patience
        try:
            stages = (files[start:stop] for start, stop in itertools.pairwise((0, *STAGES, None)))
            found = (self._failing(stage, end - time.monotonic()) for stage in stages if stage)
            return next(filter(None, found), None)
        finally:
            path.write_text(before, encoding="utf-8")

    def _failing(self, files: Sequence[str], patience: float) -> str | None:
        own = [self.place, *self.place.glob("plugins/*"), *self.place.glob("examples/*")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, own)), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *HANGING, *files]
        code = None
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                command, cwd=self.place, env=environment, stdout=said, stderr=said, start_new_session=True
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(max(patience, 0))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever its tests have left
            process.wait()
            said.seek(0)
            told = said.read()
        if found := FAILED.search(told):
            return found[1]
        if code is None:
            return UNDECIDED
        if code in (0, 5):
            return None
        return "a test that hangs" if "Timeout" in told else f"pytest, which ended with {code}"


class Rooms:
    """The tests that are about a module, the nearest first."""

    def __init__(self) -> None:
        import grimp

        self._packages = sorted({path.parent.name for path in ROOT.glob("plugins/*/*/__init__.py")} | {"airouter_core"})
        self._graph = grimp.build_graph(*self._packages, cache_dir=None)
        self._named = {path: set(_named_in(path)) for path in ROOT.glob("**/tests/**/test_*.py")}

    def files(self, path: str) -> list[str]:
        """The files of tests of a module's room; of a part of the core that only plugins use, those of theirs too."""
        room = ROOT / "tests" if path.startswith("airouter_core/") else ROOT / Path(*Path(path).parts[:2], "tests")
        module = _dotted(path)
        found = [file for file in self._named if room in file.parents]
        if room == ROOT / "tests":
            found = [file for file in found if not set(ELSEWHERE) & set(file.parts)]
            if not any(module in self._named[file] for file in found):
                users = {name.partition(".")[0] for name in self._graph.find_modules_that_directly_import(module)}
                rooms = {folder.parent / "tests" for name in users for folder in ROOT.glob(f"plugins/*/{name}")}
                found += [file for file in self._named if rooms & set(file.parents)]
        distances = self._distances(module)
        found.sort(key=lambda file: (min((distances.get(name, FAR) for name in self._named[file]), default=FAR), file))
        return [file.relative_to(ROOT).as_posix() for file in found]

    def _distances(self, module: str) -> dict[str, int]:
        """The modules that import it, by the number of steps."""
        distances: dict[str, int] = {}
        now, steps = {module}, 0
        while now:
            distances |= dict.fromkeys(now, steps)
            above = {importer for one in now for importer in self._graph.find_modules_that_directly_import(one)}
            now, steps = above - distances.keys(), steps + 1
        return distances


def _named_in(path: Path) -> Iterator[str]:
    """The modules that a file imports or names, those of public names among them."""
    import airouter_core

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            if node.module == "airouter_core":
                yield from (getattr(getattr(airouter_core, alias.name, None), "__module__", "") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("airouter_"):
            parts = node.value.replace(":", ".").split(".")  # what is patched stands in a module
            yield from (".".join(parts[:count]) for count in range(2, len(parts) + 1))


def _dotted(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    return ".".join(parts if parts[0] == "airouter_core" else parts[2:])


def is_equal(mutant: Mutant, known: Sequence[Mapping[str, str]]) -> bool:
    """Whether it is known that nobody can see this change."""
    said = (mutant.path, mutant.before, mutant.after)
    return any((entry["path"], entry["before"], entry["after"]) == said for entry in known)


def main(arguments: Sequence[str]) -> int:
    """Try a sample; 1 when less of it is noticed than should be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=150, help="changes to try")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same changes")
    parser.add_argument("--jobs", type=int, default=2, help="changes that are tried at the same time")
    parser.add_argument("--least", type=float, default=93.0, help="percent of the changes that must be noticed")
    parser.add_argument("--modules", nargs="*", default=(), help="only modules below these places")
    parser.add_argument("--patience", type=float, default=400.0, help="seconds for the tests of one change")
    given = parser.parse_args(arguments)
    known = tomllib.loads((ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8")).get("equal", [])
    drawn = [one for one in sample(modules(given.modules), given.size, given.seed) if not is_equal(one, known)]
    rooms, lived, undecided = Rooms(), 0, 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(given.jobs):
            copies.put(Copy(Path(folder) / str(number) / "airouter"))

        def judged(mutant: Mutant) -> str | None:
            copy = copies.get()
            try:
                return copy.noticed_by(mutant, rooms.files(mutant.path), given.patience)
            finally:
                copies.put(copy)

        for mutant, test in zip(drawn, pool.map(judged, drawn), strict=True):
            told = f"noticed by {test}" if test else f"LIVED\n{mutant.difference}\n"
            if test == UNDECIDED:
                told = f"UNDECIDED, for patience ended\n{mutant.difference}\n"
            print(f"{mutant.path}:{mutant.line} {told}", flush=True)
            lived += test is None
            undecided += test == UNDECIDED
    judged_ones = len(drawn) - undecided
    share = 100 * (judged_ones - lived) / max(judged_ones, 1)
    left = f", {undecided} more undecided" if undecided else ""
    print(f"\n{judged_ones - lived} of {judged_ones} changes were noticed ({share:.1f} %){left}; seed {given.seed}")
    return 0 if share >= given.least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
