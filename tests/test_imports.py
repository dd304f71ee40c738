"""The direction of imports, read from the sources: what may stand on what, no cycles, and where torch may not be.

Verb modules (`magicvideo/cli.py`'s table) tie packages together and may import across.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from magicvideo.cli import VERBS

ROOT = Path(__file__).parents[1]
PACKAGES = ("magicvideo", "evals", "ablations", "annotation", "reports")
GROUND_MODULES = (
    "errors",
    "ahead",
    "files",
    "clip",
    "config",
    "stage_config",
    "settings",
    "runs",
    "weights",
    "prompts",
    "checks",
    "machine",
    "spawning",
    "leases",
    "shared",
    "store_check",
    "index",
    "checkpoints",
    "presets",
)
GROUND = tuple(f"magicvideo.{m}" for m in GROUND_MODULES)
WORLD = (*GROUND, "magicvideo.world")
NETWORKS = (*WORLD, "magicvideo.models", "magicvideo.noise_prior")
PIPELINE = (*NETWORKS, "magicvideo.stages", "magicvideo.keys", "magicvideo.pipeline", "magicvideo.public")
READINGS = tuple(
    f"ablations.{m}"
    for m in (
        *("cells", "fractions", "effects", "attribution", "diagnosis", "doses", "pareto", "precision", "steadiness"),
        *("readings", "summary"),
    )
)
"""What a run's numbers say: arithmetic and words."""
MAY_STAND_ON = {
    **dict.fromkeys(GROUND, GROUND),
    "magicvideo.world": WORLD,
    "magicvideo.models": NETWORKS,
    "magicvideo.noise_prior": NETWORKS,
    "magicvideo.stages": (*NETWORKS, "magicvideo.stages", "magicvideo.fitting"),
    "magicvideo.keys": PIPELINE,
    "magicvideo.pipeline": PIPELINE,
    "magicvideo.public": (*PIPELINE, "magicvideo.estimate", "magicvideo.fitting"),
    "magicvideo.fitting": GROUND,
    "magicvideo.estimate": (*NETWORKS, "magicvideo.estimate", "magicvideo.fitting"),
    "magicvideo.train": (*PIPELINE, "magicvideo.train"),
    "magicvideo.gallery": PIPELINE,
    "magicvideo.batch": PIPELINE,
    "evals": (*WORLD, "evals"),
    "evals.train": (*WORLD, "evals", "magicvideo.train.loop"),
    "ablations": (*PIPELINE, "evals", "ablations"),
    **dict.fromkeys(READINGS, ("magicvideo.stage_config", "evals.stats", *READINGS)),
    "annotation": (*WORLD, "evals.stats", "evals.prompts", "evals.decode", "evals.states", "annotation"),
    "reports": (
        *WORLD,
        *("evals.stats", "evals.compare", "evals.metric", "evals.decode", "evals.states"),
        *(*READINGS, "ablations.source"),
        *("annotation", "reports"),
    ),
}
"""Longest name that fits a module -> prefixes of our modules it may import, anywhere in its source."""
NEVER = {
    "magicvideo.world": ("torch", "diffusers", "pandas"),
    "evals": ("diffusers", "streamlit"),
    "reports": ("torch", "torchvision", "diffusers", "open_clip", "lpips", "torchmetrics"),
    "annotation": ("torch", "torchvision", "diffusers", "open_clip", "lpips", "torchmetrics"),
    **dict.fromkeys(READINGS, ("torch", "diffusers")),
    "evals.stats": ("torch", "diffusers"),
    "magicvideo": ("streamlit",),
}
LIGHT = (
    *GROUND,
    "magicvideo.cli",
    "magicvideo.world",
    "magicvideo.keys",
    "magicvideo.pipeline",
    "magicvideo.generate",
    "evals",
    "evals.stats",
    "evals.prompts",
    "evals.backbones",
    "evals.cli",
    "evals.fetch",
    "evals.doctor",
    "ablations.effects",
    "ablations.grid",
    "ablations.cli",
    "ablations.demo",
    "annotation.cli",
    "annotation.report",
    "reports",
    "reports.cli",
    "reports.compare_cli",
)
"""Modules that are imported without torch: `--help`, plans and reports answer at once."""


def fits(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


@cache
def sources() -> dict[str, Path]:
    """Module name -> file, of all our packages."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, top_level: bool = False) -> Iterator[str]:
    """Full names of what a module imports, `a.b` for `from a import b` where a.b is a module of ours.

    Imports for type checking alone do not count. `top_level` leaves out those inside functions.
    """
    for node in _walk(ast.parse(sources()[module].read_text(encoding="utf-8")), top_level):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield deeper if deeper in sources() else base


def _walk(node: ast.AST, top_level: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if top_level and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from _walk(child, top_level)


def _base(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if sources()[module].name == "__init__.py" else module.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def ours(names: Iterator[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in PACKAGES}


def rule(module: str) -> str | None:
    return max((name for name in MAY_STAND_ON if fits(module, name)), key=len, default=None)


def across() -> set[str]:
    """The modules that may import across: verbs, and the command itself."""
    return {verb.module for verb in VERBS.values()} | {"magicvideo.cli", "magicvideo"}


def test_the_sources_are_read() -> None:
    assert {"magicvideo.clip", "evals.stats", "magicvideo.world", "reports.page"} <= set(sources())
    assert "magicvideo.errors" in set(imported("magicvideo.clip"))
    assert "numpy" in set(imported("magicvideo.clip"))
    assert "torch" in set(imported("magicvideo.weights"))  # inside a function
    assert "torch" not in set(imported("magicvideo.weights", top_level=True))


@pytest.mark.parametrize("module", sorted(sources()))
def test_imports_go_downwards(module: str) -> None:
    if module in across():
        return
    name = rule(module)
    assert name is not None, f"{module}: say in MAY_STAND_ON what it stands on"
    wrong = {i for i in ours(imported(module)) if i != "magicvideo" and not any(fits(i, p) for p in MAY_STAND_ON[name])}
    assert not wrong, f"{module} may import {MAY_STAND_ON[name]}, not {sorted(wrong)}"


@pytest.mark.parametrize("package", NEVER)
def test_libraries_that_a_package_never_imports(package: str) -> None:
    for module in sources():
        if fits(module, package):
            found = {i for i in imported(module) if any(fits(i, library) for library in NEVER[package])}
            assert not found, f"{module} imports {sorted(found)}"


def test_no_module_imports_in_a_circle() -> None:
    """Counting imports inside functions too: those hide circles, they do not undo them."""
    graph = {m: {i for i in ours(imported(m)) if i in sources() and not _contains(i, m)} for m in sources()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def _contains(package: str, module: str) -> bool:
    """A package's own `__init__` is imported by importing any of its modules."""
    return package == module or module.startswith(f"{package}.")


def test_the_commands_table_names_verbs_without_importing_them() -> None:
    assert not ours(imported("magicvideo.cli")) - {"magicvideo", "magicvideo.errors"}
    assert {verb.module for verb in VERBS.values()} <= set(sources())


def test_light_modules_do_not_load_torch() -> None:
    """Each imported in a process of its own kind: all in one, asked after each."""
    code = (
        "import sys\nfrom importlib import import_module\n"
        "for name in sys.argv[1:]:\n"
        "    import_module(name)\n"
        "    heavy = {'torch', 'diffusers', 'streamlit'} & sys.modules.keys()\n"
        "    assert not heavy, f'{name} loads {sorted(heavy)}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *LIGHT], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]


def test_stars_and_relative_climbing_are_not_used() -> None:
    for module, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: write imports in full"
                assert all(alias.name != "*" for alias in node.names), f"{module}: star import"
