"""One thing that `magicvideo doctor` looked at. Groups of checks live beside what they check."""

from __future__ import annotations

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
