"""The grids that come with the package, and how a grid is named on the command line."""

from __future__ import annotations

from pathlib import Path

from magicvideo.errors import InputError, unknown_name

SHIPPED = Path(__file__).parent / "grids"


def shipped_grids() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find_grid(name: str) -> Path:
    """The path of a grid: a file, or the name of a shipped one (`mechanisms`)."""
    path = Path(name)
    if path.is_file():
        return path
    if name in shipped_grids():
        return SHIPPED / f"{name}.yaml"
    if path.suffix or len(path.parts) != 1:
        raise InputError(f"no such grid file: {path}; shipped grids: {', '.join(shipped_grids())}")
    raise unknown_name("grid", name, shipped_grids())
