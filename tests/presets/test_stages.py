from __future__ import annotations
from pathlib import Path
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
import pytest
from tiny_weights import configured


@pytest.mark.parametrize("name", ["paper-sd15", "fast", "svd", "sd15-t2i"])
def test_run(name, here: Path, tmp_path: Path) -> None:
    c = configured(here, name, vfi="linear")
    r = Pipeline(c, Store(tmp_path)).run("a red star", 1)
    for x in r:
        print(x.stage, x.frames, x.height, x.seconds, x.digest[:8])
