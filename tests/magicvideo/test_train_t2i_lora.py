"""T2I's low-rank changes: drawn as T2I draws, judged at the end, learned at every third of the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo.models import diffusion, lora
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import Verifier
from magicvideo.stage_config import T2IConfig
from magicvideo.stages.common import guided
from magicvideo.train import t2i, t2i_lora

PROMPTS = ["a red star moving left on a plain background", "a blue ring spinning on a dotted background"]
NOISE = torch.randn(2, 12, 16, 16, generator=torch.Generator().manual_seed(0))
Networks = tuple[Autoencoder, Generator, Generator, Verifier]
Descend = Callable[[Callable[[], Tensor], list[nn.Parameter]], tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def networks(shake: Callable[[nn.Module, int], nn.Module]) -> Networks:
    torch.manual_seed(0)
    plain, model, judge = Generator(), Generator(), Verifier()
    shake(plain, 1)
    model.load_weights(plain.weights())
    for network in (plain, model, shake(judge, 2)):
        network.eval().requires_grad_(False)
    lora.attach(model.spatial, 2)
    return t2i.load_autoencoder(), plain, model, judge


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> t2i_lora.Batch:
    monkeypatch.setattr(t2i_lora, "PICTURES", 2)
    monkeypatch.setattr(t2i_lora, "TRUE_PICTURES", 2)
    return t2i_lora.batch(np.random.default_rng(0))


def test_pictures_are_drawn_as_t2i_draws_them(networks: Networks) -> None:
    _, plain, model, _ = networks
    given, config = Condition(plain.encode_text(PROMPTS)), T2IConfig()
    expected = diffusion.sample(guided(plain.image, plain, given, config.guidance), NOISE, config.steps)
    for network in (plain, model):
        found = t2i_lora.draw(network, token_ids(PROMPTS), NOISE)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_changes_alone_learn_from_every_third_of_the_way(
    networks: Networks, drawn: t2i_lora.Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder, plain, model, judge = networks
    learned, image = list[bool](), model.image

    def watched(x: Tensor, t: Tensor, given: Condition) -> Tensor:
        v = image(x, t, given)
        learned.append(v.requires_grad)
        assert not x.requires_grad
        return v

    monkeypatch.setattr(model, "image", watched)
    torch.manual_seed(1)
    terms = t2i_lora.loss(coder, plain, model, judge, drawn)
    *in_steps, on_truth = learned
    told, untold = in_steps[::2], in_steps[1::2]
    assert on_truth
    assert not any(untold)
    assert told[0]
    assert [sum(told[:1]), sum(told[1:3]), sum(told[3:])] == [1, 1, 1]
    assert float(terms["far"].detach()) == pytest.approx(0, abs=1e-6)  # new changes change nothing
    torch.stack([t for t in terms.values() if t.requires_grad]).sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved
    assert all("lora_up" in name for name in moved)  # `down` learns nothing while `up` is zero
    assert all(p.grad is None for network in (coder, plain, judge) for p in network.parameters())


def test_a_step_against_the_gradient_makes_the_judge_more_content(
    networks: Networks, drawn: t2i_lora.Batch, descend: Descend
) -> None:
    coder, plain, model, judge = networks
    ups = [p for name, p in model.named_parameters() if "lora_up" in name]

    def judged() -> Tensor:
        torch.manual_seed(4)
        return t2i_lora.loss(coder, plain, model, judge, drawn)["judged"]

    before, after = descend(judged, ups)
    with torch.no_grad():
        for p in ups:
            p.zero_()
    assert after < before
