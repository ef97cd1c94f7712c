"""Change the code in many small ways, and see whether the tests notice: ``nox -s mutation``.

cosmic-ray makes the changes (an operator, a constant, a condition); coverage tells which tests run the changed line. A
change is noticed when one of these fails. The sample is drawn by a seed, so that two runs try the same; lines are drawn
first and then a change of each, or a line with many operators would count for more. Everything happens in copies: the
working tree is never touched.

What lives is printed as a difference, with the place. A change that nobody can see (an optimisation, say) is named in
``tools/mutants.toml`` with its reason, and does not count.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import difflib
import itertools
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
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
    "pyproject.toml",
    "README.md",
)
LEFT_OUT = ("templates", "__init__.py", "version.py", "tests", "testing")
"""Parts of the paths of modules that are not changed: templates, values, and the kit, which has planted faults."""
MOST_TESTS = 60
"""Tests that are run for one change at first; whole files follow where it lives."""
PATIENCE = 300.0
"""Seconds; a change that makes the tests hang is noticed."""
CONFIG = "[run]\ndata_file = {data}\nsource_pkgs =\n    {packages}\n"


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
    quiet, tree = set(_quiet_lines(ast.parse(text))), get_ast(text)
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():
            continue
        found = (place for node in ast_nodes(tree) for place in operator().mutation_positions(node))
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
    by_line: dict[tuple[str, int], list[Place]] = {}
    for path in paths:
        for place in places_in(path):
            by_line.setdefault((path, place.line), []).append(place)
    lines = sorted(by_line)
    chance.shuffle(lines)
    drawn: list[Mutant] = []
    for line in lines:
        if len(drawn) == size:
            break
        found = map(mutant_at, chance.sample(by_line[line], len(by_line[line])))
        drawn.extend(itertools.islice(filter(None, found), 1))
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

    def tested(self, tests: Sequence[str], *options: str, patience: float | None = PATIENCE) -> int:
        """Run tests on this copy; the exit code of pytest."""
        own = [self.place, *self.place.glob("plugins/*"), *self.place.glob("examples/*")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, own)), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = subprocess.run(command, cwd=self.place, env=environment, check=False, timeout=patience, **quiet)
        return done.returncode

    def notices(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Whether one of the tests fails with this change."""
        path = self.place / mutant.path
        before = path.read_text(encoding="utf-8")
        path.write_text(mutant.text, encoding="utf-8")
        try:
            return self.tested(tests, "-x") not in (0, 5)
        except subprocess.TimeoutExpired:
            return True
        finally:
            path.write_text(before, encoding="utf-8")


def covering(copy: Copy, tests: Sequence[str], kept: Path | None) -> dict[str, dict[int, list[str]]]:
    """For each module and line, the tests that run it; found out by running all tests once, or as kept from before."""
    from coverage import CoverageData

    data = (kept or copy.place / "coverage").resolve()
    if not data.exists():
        packages = sorted({path.parent.name for path in ROOT.glob("plugins/*/*/__init__.py")} | {"airouter_core"})
        config = copy.place / "coverage.ini"
        config.write_text(CONFIG.format(data=data, packages="\n    ".join(packages)), encoding="utf-8")
        copy.tested(tests, "--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report=", patience=None)
    found = CoverageData(str(data))
    found.read()
    return {
        _below_a_root(file): {
            line: sorted({context.partition("|")[0] for context in contexts if context})
            for line, contexts in found.contexts_by_lineno(file).items()
        }
        for file in found.measured_files()
    }


def _below_a_root(file: str) -> str:
    for name in ("plugins/", "airouter_core/"):
        if (place := file.find(f"/{name}")) >= 0:
            return file[place + 1 :]
    return file


def concerned(by_line: Mapping[int, Sequence[str]], line: int) -> Sequence[str]:
    """The tests that run a line; of one that runs when its module is imported, all tests that use the module."""
    return by_line.get(line) or sorted({test for tests in by_line.values() for test in tests})


def spread(tests: Sequence[str], chance: random.Random) -> list[str]:
    """Some of the tests, from as many files and functions as there are."""
    by_function: dict[str, list[str]] = {}
    for test in tests:
        by_function.setdefault(test.partition("[")[0], []).append(test)
    functions = sorted(by_function)
    chance.shuffle(functions)
    return [chance.choice(by_function[function]) for function in functions[:MOST_TESTS]]


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
    parser.add_argument("--tests", nargs="*", default=("tests", "plugins"), help="only tests below these places")
    parser.add_argument("--coverage", type=Path, help="a file in which what tests run is kept for the next time")
    given = parser.parse_args(arguments)
    known = tomllib.loads((ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8")).get("equal", [])
    drawn = [one for one in sample(modules(given.modules), given.size, given.seed) if not is_equal(one, known)]
    with tempfile.TemporaryDirectory() as folder:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(given.jobs):
            copies.put(Copy(Path(folder) / str(number) / "airouter"))
        first = copies.queue[0]
        print(f"{len(drawn)} changes; running the tests once, to learn which run which line", flush=True)
        by_file = covering(first, given.tests, given.coverage)
        chance = random.Random(given.seed)
        plans = [(one, spread(concerned(by_file.get(one.path, {}), one.line), chance)) for one in drawn]

        def judge(plan: tuple[Mutant, list[str]]) -> bool:
            mutant, tests = plan
            copy = copies.get()
            try:
                if tests and copy.notices(mutant, tests):
                    return True
                files = sorted({test.partition("::")[0] for test in tests})
                return bool(files) and copy.notices(mutant, files)
            finally:
                copies.put(copy)

        lived = []
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            for (mutant, tests), noticed in zip(plans, pool.map(judge, plans), strict=True):
                word = "noticed" if noticed else "LIVED" if tests else "LIVED (no test runs this line)"
                print(f"{word}: {mutant.path}:{mutant.line} {mutant.operator}", flush=True)
                if not noticed:
                    lived.append(mutant)
    for mutant in lived:
        print(f"\n{mutant.difference}")
    share = 100 * (len(drawn) - len(lived)) / max(len(drawn), 1)
    print(f"\n{len(drawn) - len(lived)} of {len(drawn)} changes were noticed ({share:.1f} %); seed {given.seed}")
    return 0 if share >= given.least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
