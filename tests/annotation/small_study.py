"""A frozen study without videos: real plan, real key, for tests of everything behind the pages."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from annotation.design import Settings, plan
from annotation.study import Bundle, Item, Rules, Study, Video, make_secret, read_study, write_bundle

SYSTEMS = ("ours", "theirs", "third")


def freeze(
    folder: Path,
    prompts: int = 6,
    systems: tuple[str, ...] = SYSTEMS,
    design: Settings | None = None,
    rules: Rules | None = None,
    words: str = "a red star {}",
) -> Study:
    """Write and read back a study of so many prompts."""
    design = design or Settings(raters=2, block=9)
    keys = [f"p{n}" for n in range(prompts)]
    planned = plan(keys, systems, design)
    bundle = Bundle(
        title="Which is better?",
        systems=systems,
        items=tuple(Item(key=k, prompt_id=k, prompt=words.format(n), stratum="all") for n, k in enumerate(keys)),
        videos={s: {k: Video(digest="0" * 64, served="0" * 64) for k in keys} for s in systems},
        extra={},
        fps=8.0,
        height=512,
        width=512,
        frames=dict.fromkeys(keys, 16),
        rules=rules or Rules(),
        design=asdict(design),
        units=tuple((u.item, u.first, u.second) for u in planned.units),
        golds=tuple((g.kind, g.item, g.system) for g in planned.golds),
        replicates=planned.replicates,
        slots=tuple((s.block, s.position, s.kind, s.unit, s.swapped) for s in planned.slots),
        example=(keys[0], systems[0]),
    )
    make_secret(folder) if folder.exists() else (folder.mkdir(parents=True), make_secret(folder))
    write_bundle(folder, bundle)
    return read_study(folder)
