"""One set of spatial layers for pictures and clips; conditions that can be left out; weights that come back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from magicvideo.models.autoencoder import LATENT_CHANNELS
from magicvideo.models.generator import Condition, Generator, dropped, join
from magicvideo.models.text import LENGTH, TextEncoder, token_ids
from magicvideo.models.unet import APPEARANCE_TOKENS, MAX_FRAMES, TEXT_WIDTH
from magicvideo.world import VOCABULARY

PROMPTS = ["a red star bouncing on a striped background", "a blue ring at rest"]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def fresh() -> Generator:
    """As training starts."""
    torch.manual_seed(0)
    return Generator().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(shake: Callable[[nn.Module, int], nn.Module]) -> Generator:
    """With noise on every parameter, so that what starts at zero has a say."""
    torch.manual_seed(0)
    made = Generator().requires_grad_(False)
    shake(made, 0)
    return made


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def told(model: Generator, pictures: Tensor) -> Condition:
    return Condition(model.encode_text(PROMPTS), model.appearance(pictures), model.control(pictures))


X, T = gaussian(2, LATENT_CHANNELS, 3, 8, 8), torch.tensor([999, 400])


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=2e-5, rtol=1e-4)


def test_spatial_layers_are_the_same_objects(model: Generator) -> None:
    spatial = {id(p) for p in model.spatial.parameters()}
    shared = {name for name, p in model.motion.named_parameters() if id(p) in spatial}
    own = {name for name, p in model.motion.named_parameters() if id(p) not in spatial}
    assert own
    assert all("motion_modules" in name for name in own)
    assert not any("motion_modules" in name for name in shared)
    assert {id(p) for n, p in model.motion.named_parameters() if n in shared} == spatial


def test_learning_from_clips_changes_the_picture_model() -> None:
    torch.manual_seed(0)
    model = Generator()
    condition = Condition(model.encode_text(PROMPTS[:1]))
    before = model.image(X[:1, :, 0], T[:1], condition).detach()
    model.clip(X[:1], T[:1], condition).square().mean().backward()
    with torch.no_grad():
        for parameter in model.spatial.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    assert not close(model.image(X[:1, :, 0], T[:1], condition), before)


def test_before_training_a_clip_is_its_pictures(fresh: Generator, pictures: Tensor) -> None:
    text, appearance = fresh.encode_text(PROMPTS), fresh.appearance(pictures)
    clip = fresh.clip(X, T, Condition(text, appearance, fresh.control(pictures)))
    for n in range(X.shape[2]):
        assert close(clip[:, :, n], fresh.image(X[:, :, n], T, Condition(text, appearance)))


def test_trained_motion_modules_connect_frames(model: Generator, told: Condition) -> None:
    other = X.clone()
    other[:, :, 2] += 1
    difference = (model.clip(X, T, told) - model.clip(other, T, told)).abs().amax((0, 1, 3, 4))
    assert difference.min() > 1e-3  # the change of one frame is felt in all


def test_the_text_the_appearance_and_the_control_all_have_a_say(model: Generator, told: Condition) -> None:
    full = model.clip(X, T, told)
    other_words = Condition(model.encode_text(PROMPTS[::-1]), told.appearance, told.control)
    for less in (other_words, Condition(told.text, None, told.control), Condition(told.text, told.appearance)):
        assert (model.clip(X, T, less) - full).abs().max() > 1e-3


def test_zeroed_conditions_are_left_out_exactly(model: Generator, told: Condition) -> None:
    yes, no = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    without = Condition(told.text)
    assert torch.equal(model.clip(X, T, dropped(told, no, no)), model.clip(X, T, without))
    appearance = Condition(told.text, told.appearance)
    assert torch.equal(model.clip(X, T, dropped(told, yes, no)), model.clip(X, T, appearance))
    control = Condition(told.text, None, told.control)
    assert torch.equal(model.clip(X, T, dropped(told, no, yes)), model.clip(X, T, control))
    assert torch.equal(model.clip(X, T, dropped(told, yes, yes)), model.clip(X, T, told))
    zeros = Condition(told.text, torch.zeros_like(appearance.appearance))  # type: ignore[arg-type]
    assert torch.equal(model.image(X[:, :, 0], T, zeros), model.image(X[:, :, 0], T, without))


def test_dropping_is_one_by_one(model: Generator, told: Condition) -> None:
    half = dropped(told, torch.tensor([True, False]), torch.tensor([False, True]))
    made = model.clip(X, T, half)
    appearance_only = model.clip(X, T, Condition(told.text, told.appearance))
    control_only = model.clip(X, T, Condition(told.text, None, told.control))
    assert close(made[0], appearance_only[0])
    assert close(made[1], control_only[1])


def test_a_batch_of_two_is_two_batches_of_one(model: Generator, told: Condition, pictures: Tensor) -> None:
    both = model.clip(X, T, told)
    image = model.image(X[:, :, 0], T, Condition(told.text, told.appearance))
    for n in range(2):
        one = slice(n, n + 1)
        alone = Condition(
            model.encode_text(PROMPTS[one]), model.appearance(pictures[one]), model.control(pictures[one])
        )
        assert close(model.clip(X[one], T[one], alone), both[one])
        assert close(model.image(X[one, :, 0], T[one], Condition(alone.text, alone.appearance)), image[one])


def test_control_of_each_frame_or_of_the_clip(model: Generator, told: Condition, pictures: Tensor) -> None:
    each = model.control(pictures.repeat_interleave(3, 0))
    assert close(
        model.clip(X, T, Condition(told.text, told.appearance, each)),
        model.clip(X, T, told),
    )


def test_joined_conditions_are_a_batch(model: Generator, told: Condition) -> None:
    both = join(told, told)
    made = model.clip(torch.cat([X, X]), torch.cat([T, T]), both)
    assert close(made[:2], made[2:])
    bare = join(Condition(told.text), Condition(told.text))
    assert bare.appearance is None
    assert bare.control is None


@pytest.mark.parametrize("side", [2, 3, 5, 16])
def test_any_side_of_latents(side: int, model: Generator) -> None:
    x, picture = gaussian(1, LATENT_CHANNELS, 2, side, side), torch.rand(1, 3, side * 8, side * 8)
    given = Condition(model.encode_text(PROMPTS[:1]), control=model.control(picture))
    assert model.clip(x, T[:1], given).shape == x.shape
    assert model.image(x[:, :, 0], T[:1], Condition(given.text)).shape == x[:, :, 0].shape


def test_a_motion_module_tells_apart_32_frames(model: Generator) -> None:
    condition = Condition(model.encode_text(PROMPTS[:1]))
    x = gaussian(1, LATENT_CHANNELS, MAX_FRAMES + 1, 2, 2)
    assert model.clip(x[:, :, :MAX_FRAMES], T[:1], condition).shape[2] == 32
    with pytest.raises(RuntimeError):
        model.clip(x, T[:1], condition)


def test_weights_hold_the_shared_layers_once_and_come_back(model: Generator, told: Condition) -> None:
    saved = model.weights()
    spatial = sum(p.numel() for p in model.spatial.parameters())
    assert sum(v.numel() for v in saved.values()) < sum(v.numel() for v in model.state_dict().values())
    assert sum(v.numel() for k, v in saved.items() if k.startswith("spatial.")) >= spatial
    torch.manual_seed(7)
    other = Generator().eval().requires_grad_(False)
    assert not close(other.clip(X, T, told), model.clip(X, T, told))
    other.load_weights(saved)
    assert torch.equal(other.clip(X, T, told), model.clip(X, T, told))
    assert torch.equal(other.image(X[:, :, 0], T, told), model.image(X[:, :, 0], T, told))
    assert torch.equal(other.encode_text(PROMPTS), model.encode_text(PROMPTS))


def test_weights_that_do_not_fit_are_refused(model: Generator) -> None:
    saved = model.weights()
    motion = next(k for k in saved if "motion_modules" in k)
    for bad in ({k: v for k, v in saved.items() if k != motion}, saved | {"extra": X}):
        with pytest.raises(ValueError, match="weights do not fit"):
            Generator().load_weights(bad)


# ---- words


def test_token_ids_pad_cut_and_know_the_unknown() -> None:
    ids = token_ids(["a red star", "", "dragon red", "star " * 40])
    assert ids.shape == (4, LENGTH)
    assert ids.dtype == torch.long
    assert ids[0, :3].tolist() == [VOCABULARY.index(w) + 2 for w in ("a", "red", "star")]
    assert ids[0, 3:].sum() == ids[1].sum() == 0
    assert ids[2, 0] == 1
    assert (ids[3] == VOCABULARY.index("star") + 2).all()


def test_text_states_depend_on_the_words_and_their_order(model: Generator) -> None:
    states = model.encode_text(["red star blue ring", "blue star red ring", "red star blue ring"])
    assert states.shape == (3, LENGTH, TEXT_WIDTH)
    assert torch.allclose(states[0], states[2], atol=1e-6)
    assert not close(states[0], states[1])
    assert TextEncoder().words.num_embeddings == len(VOCABULARY) + 2


def test_appearance_tokens_look_at_the_picture(model: Generator, pictures: Tensor) -> None:
    tokens = model.appearance(pictures)
    assert tokens.shape == (2, APPEARANCE_TOKENS, TEXT_WIDTH)
    assert not close(tokens[0], tokens[1])
