"""Two runs are compared pair by pair, and only where their protocols agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals.compare import Scored, compare, read_run
from evals.metric import Score
from magicvideo.cli import main
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError


def scored(name: str, values: list[float], protocol: str = "m|v1", metric: str = "m") -> Scored:
    score = Score(float(np.mean(values)), None, None, len(values), 0, "share", True, protocol)
    return Scored(name, {metric: score}, {metric: {f"clip{i}": (f"p{i % 10}", v) for i, v in enumerate(values)}})


def test_a_clear_difference_is_better_and_a_small_one_equivalent() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=40)
    better = base + 0.5 + 0.1 * rng.normal(size=40)
    (found,) = compare(scored("base", base.tolist()), scored("candidate", better.tolist()))
    assert found.verdict == "better"
    assert found.difference == pytest.approx(0.5, abs=0.1)
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.01
    (back,) = compare(scored("candidate", better.tolist()), scored("base", base.tolist()))
    assert back.verdict == "worse"
    (small,) = compare(scored("base", base.tolist()), scored("candidate", better.tolist()), margins={"m": 1.0})
    assert small.verdict == "equivalent"


def test_unlike_protocols_are_refused_and_both_shown() -> None:
    with pytest.raises(InputError, match=r"(?s)base: m\|v1\n  candidate: m\|v2"):
        compare(scored("base", [1.0, 2.0]), scored("candidate", [1.0, 2.0], protocol="m|v2"))


def test_runs_without_a_common_metric_are_refused() -> None:
    with pytest.raises(InputError, match="share no metric"):
        compare(scored("base", [1.0]), scored("candidate", [1.0], metric="other"))


def test_one_clip_under_two_prompts_is_refused() -> None:
    candidate = Scored("c", scored("c", [1.0]).scores, {"m": {"clip0": ("another prompt", 1.0)}})
    with pytest.raises(InputError, match="'clip0' belongs to prompt 'p0'"):
        compare(scored("b", [1.0]), candidate)


def test_clips_of_one_run_only_are_left_out_and_no_pairs_say_nothing() -> None:
    base, candidate = scored("b", [1.0, 2.0, 3.0]), scored("c", [2.0, 3.0])
    (found,) = compare(base, candidate)
    assert (found.n, found.difference) == (2, 1.0)
    apart = Scored("c", candidate.scores, {})
    (found,) = compare(base, apart)
    assert (found.n, found.low, found.verdict) == (0, None, "inconclusive")


def test_runs_on_disk(tmp_path: Path, noise_clip, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    for run, shift in (("base", 0), ("candidate", 3)):
        folder = tmp_path / f"{run}-videos"
        folder.mkdir()
        for n in range(6):
            frames = noise_clip(n).frames.copy()
            frames[1::2] //= 1 + shift
            np.save(folder / f"{n}.npy", VideoClip(frames, 8.0).frames)
        words = ["evaluate", str(folder), "--metrics", "flicker", "--out", str(tmp_path / run)]
        assert main(words) == 0
    (found,) = compare(read_run(tmp_path / "base"), read_run(tmp_path / "candidate"))
    assert (found.metric, found.n, found.verdict) == ("flicker", 6, "worse")
    (tmp_path / "candidate" / "summary.json").write_text("{}")
    with pytest.raises(InputError, match=r"summary\.json"):
        read_run(tmp_path / "candidate")
    with pytest.raises(InputError, match="no such file"):
        read_run(tmp_path / "absent")
