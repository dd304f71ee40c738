"""`magicvideo doctor`: what it checks, and that each check can fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import doctor as evaluation
from magicvideo import doctor
from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.runs import StageRecord, Store, content_key

Check = dict[str, Any]
SHIPPED_PARTS = (
    "autoencoder",
    "clip",
    "generator",
    "generator-video-only",
    "reader",
    "refiner",
    "t2i-lora",
    "verifier",
    "vfi",
    "video",
)


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Check], str]]:
    """`examine(words...)`: exit code, checks by name, standard error."""

    def call(*words: str) -> tuple[int, dict[str, Check], str]:
        code = main(["doctor", *words, "--json"])
        caught = capsys.readouterr()
        assert caught.out.count("\n") == 1
        checks = json.loads(caught.out)["checks"]
        assert all(set(c) == {"name", "ok", "detail", "remedy", "optional"} for c in checks)
        assert all(c["ok"] or c["remedy"] for c in checks)
        assert len({c["name"] for c in checks}) == len(checks)
        return code, {c["name"]: c for c in checks}, caught.err

    return call


@pytest.fixture
def store(tmp_path: Path, noise_clip: Callable[..., VideoClip]) -> Store:
    made = Store(tmp_path / "store")
    for seed in range(3):
        clip = noise_clip(seed=seed)
        made.put_clip(clip)
        made.put_stage(StageRecord(content_key(seed), "i2v", clip.digest, 0.1, len(clip), *clip.size, clip.fps))
    return made


def test_the_shipped_product_is_healthy(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from magicvideo.models import pocket

    monkeypatch.delenv("MAGICVIDEO_WEIGHTS", raising=False)
    pocket.autoencoder.cache_clear()
    code, checks, said = examine()
    assert [name for name, check in checks.items() if not check["ok"] and not check["optional"]] == []
    assert code == 0
    assert {f"weights {part}" for part in SHIPPED_PARTS} <= set(checks)
    assert {"python", "torch", "free space", "FFV1", "H.264", "autoencoder", "reader"} <= set(checks)
    absent = [name for name, check in checks.items() if not check["ok"]]
    assert f"all {len(checks) - len(absent)} checks passed" in said
    assert {"decoder", "arithmetic", "ffmpeg", "suite standard", "checkpoint ViT-B-32.pt"} <= set(checks)
    assert "ok    codecs: FFV1, H.264\n" in said
    assert "none  suite standard: " in said
    assert "checkpoint" not in said.replace("checkpoints here", ""), "one line stands for its files"
    for name, network in (("efficientnet-lite0-57934424.pth", "efficientnet-lite0"), ("alex.pth", None)):
        assert checks[f"checkpoint {name}"]["ok"]
        assert network is None or checks[f"golden {network}"]["ok"]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public networks are not asked: what this test is about lies elsewhere."""
    monkeypatch.setattr(evaluation, "ANSWERS", {})


def test_all_names_every_absent_file_and_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    group = next(g for g in evaluation.GROUPS if g.title == "suites")
    checks = doctor._show(group, True)
    said = capsys.readouterr().err
    for check in checks:
        assert f"{check.mark:<4}  {check.name}: {check.detail}\n" in said
        assert check.ok or f"      {check.remedy}\n" in said
    doctor._show(group, False)
    assert capsys.readouterr().err.count("\n") < 5 < said.count("\n")


@pytest.mark.usefixtures("brief")
def test_untrained_weights_pass_their_hash_and_fail_their_golden_values(untrained_weights: Path, examine: Any) -> None:
    code, checks, said = examine()
    assert code == 1
    assert checks["weights generator"]["ok"]
    assert checks["weights"]["detail"] == f"missing in {untrained_weights}: clip, reader, video"
    assert not checks["autoencoder"]["ok"]
    assert "dB on a fixed picture" in checks["autoencoder"]["detail"]
    assert checks["FFV1"] == {
        "name": "FFV1", "ok": True, "detail": "bit-exact", "remedy": "reinstall the package `av`", "optional": False,
    }  # fmt: skip
    assert "FAIL  autoencoder" in said
    assert "failed:" in said


@pytest.mark.usefixtures("brief")
def test_a_damaged_weights_file_fails(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examine: Any
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(untrained, folder)
    path = folder / "refiner.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
    code, checks, _ = examine()
    assert code == 1
    assert not checks["weights refiner"]["ok"]
    assert "damaged or from another training" in checks["weights refiner"]["detail"]
    assert checks["weights generator"]["ok"]


@pytest.mark.usefixtures("brief")
def test_parts_that_are_not_there_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examine: Any) -> None:
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path / "none"))
    code, checks, _ = examine()
    assert code == 1
    assert not checks["weights"]["ok"]
    assert all(part in checks["weights"]["detail"] for part in SHIPPED_PARTS)


@pytest.mark.usefixtures("brief")
def test_a_folder_of_checkpoints_is_looked_into_and_a_damaged_one_fails(tmp_path: Path, examine: Any) -> None:
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"half of it")
    code, checks, said = examine("--weights", str(tmp_path))
    assert code == 1
    damaged = checks["checkpoint i3d_torchscript.pt"]
    assert (damaged["ok"], damaged["optional"]) == (False, False)
    assert "damaged or another file" in damaged["detail"]
    assert "FAIL  checkpoint i3d_torchscript.pt" in said
    assert checks["checkpoint ViT-B-32.pt"]["optional"]
    assert str(tmp_path) in checks["checkpoint ViT-B-32.pt"]["remedy"]


def test_a_wrong_answer_of_a_network_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICVIDEO_WEIGHTS", raising=False)

    def wrong(network: Any) -> tuple[bool, str]:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(evaluation, "ANSWERS", {"pocket-reader": lambda n: (False, "0 of 8"), "pocket-clip": wrong})
    checks = {check.name: check for check in evaluation.golden()}
    assert not checks["golden pocket-reader"].ok
    assert checks["golden pocket-clip"].detail == "RuntimeError: shapes do not fit"
    assert not checks["golden pocket-clip"].optional


def test_an_ffmpeg_without_vmaf_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: "/bin/echo")
    check = evaluation._ffmpeg()
    assert (check.ok, check.optional) == (False, True)
    assert "libvmaf" in check.detail


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("json", "no_such_package"))
    checks = {c.name: c for c in doctor._packages()}
    assert checks["json"].ok
    assert not checks["no_such_package"].ok
    assert "make install" in checks["no_such_package"].remedy


def test_too_little_space_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE", 1 << 62)
    assert not {c.name: c for c in doctor._machine()}["free space"].ok


def test_a_healthy_store_passes(store: Store) -> None:
    checks = list(doctor._store(store.root))
    assert [(c.name, c.ok) for c in checks] == [
        ("store", True),
        ("other clips", True),
        ("partial files", True),
        ("leases", True),
    ]
    assert checks[0].detail == "3 records"


@pytest.mark.parametrize("damage", ["lost", "changed", "cut", "record"])
def test_damage_in_a_store_is_named(damage: str, store: Store, noise_clip: Callable[..., VideoClip]) -> None:
    record = store.stage(content_key(1))
    assert record is not None
    path = store.clip_path(record.digest)
    if damage == "lost":
        path.unlink()
    elif damage == "changed":
        write_lossless(path, noise_clip(seed=77))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        store.stage_path(record.key).write_text("{}")
    check = next(iter(doctor._store(store.root)))
    assert not check.ok
    assert record.key in check.detail
    assert check.remedy


def test_left_over_files_and_an_empty_store_are_told(store: Store, tmp_path: Path) -> None:
    (store.root / "clips" / ".partial-abc.mkv").write_bytes(b"half")
    assert {c.name: c.ok for c in doctor._store(store.root)} == {
        "store": True,
        "other clips": True,
        "partial files": False,
        "leases": True,
    }
    assert [c.ok for c in doctor._store(tmp_path / "nothing")] == [False]
