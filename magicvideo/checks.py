"""One thing that `magicvideo doctor` looked at. Groups of checks live beside what they check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`ok`, or not ok with a remedy. What is `optional` may be absent: it is said, and fails nothing."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False

    @property
    def mark(self) -> str:
        """How a line begins: "ok", "FAIL", or "none" for what is optional and absent."""
        return "ok" if self.ok else "none" if self.optional else "FAIL"


@dataclass(frozen=True)
class Group:
    """Checks that belong together. In the short form those that are ok share a line, and of what is optional and absent
    only names that begin with `told` are said: one line may stand for many files."""

    title: str
    look: Callable[[], Iterator[Check]]
    told: str = ""

    def short(self, checks: list[Check]) -> Iterator[str]:
        """The lines of the short form."""
        fine = [c.name for c in checks if c.ok and c.name.startswith(self.told)]
        names = [name.removeprefix(self.told or f"{self.title} ") for name in fine if name != self.title]
        if fine:
            yield f"ok    {self.title}: {', '.join(names) or 'all there'}"
        for check in checks:
            if not check.ok and (not check.optional or check.name.startswith(self.told)):
                yield from lines(check)


def lines(check: Check) -> Iterator[str]:
    """What is said of one check: a line, and its remedy below it."""
    yield f"{check.mark:<4}  {check.name}: {check.detail}"
    if not check.ok:
        yield f"      {check.remedy}"
