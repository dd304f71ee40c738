"""Presets as data: what ships holds together, and what does not is refused with file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_weights import dump

from magicvideo import presets
from magicvideo.cli import main
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.models import public
from magicvideo.presets import SHIPPED, Part, Placed
from magicvideo.presets.files import wanted
from magicvideo.stage_config import SWITCHES

PUBLIC = presets.names()[1:]


def every_part() -> dict[str, Placed]:
    return {name: placed for preset in PUBLIC for name, placed in presets.read(preset).parts.items()}


def test_every_repository_that_ships_is_used() -> None:
    files = {path.stem for path in (SHIPPED / "repositories").glob("*.yaml")}
    assert {name.partition("/")[0] for name in every_part()} == files


@pytest.mark.parametrize("name", presets.names())
def test_defaults_hold_and_come_back_from_a_record(name: str) -> None:
    config = PipelineConfig.of(name)
    assert PipelineConfig.parse(config.model_dump(mode="json")) == config
    if config.public is not None:
        assert set(config.public.lacks) <= set(SWITCHES)
        assert config.public.stages.keys() >= {"i2v", "v2v"}


def test_the_papers_sizes() -> None:
    c = PipelineConfig.of("paper-sd15")
    assert (c.t2i.size, c.i2v.frames, c.i2v.size, c.v2v.size) == (1024, 32, 600, 1048)
    assert c.vfi.factor * (c.i2v.frames - 1) + 1 == 94


NETWORKS = [n for n, p in every_part().items() if p.part.network != "CLIPTokenizer" and p.part.files[0].sha256]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_architecture_has_the_size_of_its_published_file(name: str) -> None:
    """A safetensors file is its tensors, of two bytes a number or four, and a header of 60 to 260 bytes a name."""
    part = every_part()[name].part
    (file,) = part.files
    model = public.build(part, "meta")
    numbers = sum(p.numel() for p in model.parameters())
    tensors = len(list(model.parameters()))
    size = file.bytes or 0
    width = round(size / numbers)
    assert width in (2, 4)
    assert 60 * tensors < size - width * numbers < 260 * tensors


def test_random_weights_are_built_on_any_device() -> None:
    part = every_part()["controlnet-ip2p/controlnet"].part
    small = part.model_copy(update={"config": part.config | {"block_out_channels": [32, 32, 32, 32]}})
    for dtype in (torch.float32, torch.bfloat16):
        assert {p.dtype for p in public.build(small, "cpu", dtype).parameters()} == {dtype}
    with pytest.raises(InputError, match=r"ControlNetModel refuses its configuration: .*blocks_out"):
        public.build(part.model_copy(update={"config": {"blocks_out": 3}}), "meta")


def test_parts_that_do_not_fit_each_other() -> None:
    parts = every_part()
    unet, motion, adapter = (parts[n].part for n in ("sd15/unet", "animatediff-v3/motion", "ip-adapter/sd15"))
    narrow = motion.model_copy(update={"config": motion.config | {"block_out_channels": [320, 640]}})
    with pytest.raises(InputError, match="motion adapter does not fit the UNet"):
        public.motion_unet(public.build(unet, "meta"), public.build(narrow, "meta"))
    few = adapter.model_copy(update={"config": adapter.config | {"widths": [320]}})
    with pytest.raises(InputError, match="weights for 1 cross-attentions, the UNet has 16"):
        public.motion_unet(public.build(unet, "meta"), public.build(motion, "meta"), public.build(few, "meta"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A preset of one's own, the repositories being the shipped ones."""
    path = tmp_path / "own.yaml"
    path.write_text((SHIPPED / "sd15-t2i.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_preset_of_ones_own_stands_on_shipped_repositories(own: Path) -> None:
    config = PipelineConfig.of(str(own))
    assert config.public is not None
    assert config.public.name == "own"
    assert wanted(config.public.parts_of()) == wanted(presets.read("sd15-t2i").parts_of())


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("stages.t2i.kind", "stable-diffusoin", r"own\.yaml: stages\.t2i\.kind: "),
        (
            "stages.t2i.parts.unet",
            "sd15/unett",
            r"unknown part 'unett' .*stages\.t2i\.parts\.unet\): did you mean 'unet'",
        ),
        ("stages.t2i.parts.unet", "sd16/unet", r"stages\.t2i\.parts\.unet: 'sd16/unet' is not REPOSITORY/PART"),
        ("stages.t2i.parts.unet", "sd15/vae", r"sd15/vae is a AutoencoderKL, needed is UNet2DConditionModel"),
        ("stages.t2i.parts.vea", "sd15/vae", r"stages\.t2i: .*has no parts vea"),
        ("stages.t2i.scheduler", "euler2", r"stages\.t2i\.scheduler: "),
        ("stages.t2i.steps", 3, r"stages\.t2i\.steps: Extra inputs"),
        ("titel", "x", r"titel: Extra inputs"),
        ("defaults.i2v.frame", 3, r"defaults of the preset .*own\.yaml: i2v\.frame: "),
    ],
)
def test_a_mistake_in_a_preset_names_file_and_field(own: Path, where: str, value: object, message: str) -> None:
    data: Any = yaml.safe_load(own.read_text(encoding="utf-8"))
    *way, last = where.split(".")
    here = data
    for step in way:
        here = here[step]
    here[last] = value
    dump(own, data)
    with pytest.raises(InputError, match=message):
        PipelineConfig.of(str(own))


def test_a_file_that_is_no_yaml_and_one_that_is_not_there(own: Path) -> None:
    own.write_text("title: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.yaml: cannot be read as YAML"):
        PipelineConfig.of(str(own))
    with pytest.raises(InputError, match=r"preset nowhere\.yaml: no such file"):
        PipelineConfig.of("nowhere.yaml")


def test_pickles_cannot_even_be_named() -> None:
    with pytest.raises(ValueError, match=r"model\.bin: weights are read from .safetensors files alone"):
        Part.model_validate({"network": "AutoencoderKL", "files": [{"path": "vae/model.bin"}]})
    for path in ("../secret.safetensors", "/etc/x.safetensors", "a//b.safetensors"):
        with pytest.raises(ValueError, match="path"):
            Part.model_validate({"network": "AutoencoderKL", "files": [{"path": path}]})


def test_another_preset_keeps_what_was_set_before() -> None:
    config = PipelineConfig().with_setting("i2v.frames", 16).with_setting("preset", "svd")
    assert (config.preset, config.i2v.frames, config.i2v.size, config.device) == ("svd", 16, 576, "cuda")
    assert config.with_setting("preset", "pocket") == PipelineConfig().with_setting("i2v.frames", 16)


def test_the_verb_lists_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    said = capsys.readouterr()
    found = {p["name"]: p for p in json.loads(said.out)["presets"]}
    assert list(found) == presets.names()
    assert found["svd"]["switches"] == ["v2v", "v2v_reference", "vfi"]
    assert all(f["licence"] and f["state"] == "missing" for f in found["paper-sd15"]["files"])
    assert all(name in said.err for name in found)


def test_the_verb_says_of_one_preset_what_it_lacks_and_where_files_belong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "svd"]) == 0
    said = capsys.readouterr().err
    assert "lacks controlnet: SVD-XT has no ControlNet" in said
    assert "Stability AI Community License" in said
    assert "fetch what is missing with: magicvideo presets svd --fetch" in said
    assert main(["presets", "--fetch"]) == 2
    assert main(["presets", "sdv"]) == 2
    assert "did you mean 'svd'" in capsys.readouterr().err


def test_the_page_tells_of_every_preset_and_repository() -> None:
    page = (SHIPPED.parents[1] / "docs" / "presets.md").read_text(encoding="utf-8")
    for name in PUBLIC:
        preset, config = presets.read(name), PipelineConfig.of(name)
        size = sum(w.file.bytes or 0 for w in wanted(preset.parts_of())) / 1e9
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` | "))
        assert f"| {size:.1f} GB |" in row
        steps = [str(getattr(config, s).steps) if s in preset.stages else "-" for s in ("t2i", "i2v", "v2v")]
        assert f"| {', '.join(steps)} |" in row
    for path in (SHIPPED / "repositories").glob("*.yaml"):
        found = [p for n, p in every_part().items() if n.startswith(f"{path.stem}/")]
        pinned = all(file.sha256 for p in found for file in p.part.files)
        revision = (found[0].revision or "none known")[: 8 if found[0].revision else None]
        state = "pinned" if pinned else "recorded at first use"
        cells = (f"`{path.stem}`", found[0].repository, revision, found[0].licence, state)
        assert f"| {' | '.join(cells)} |" in page
