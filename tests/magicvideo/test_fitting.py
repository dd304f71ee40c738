"""Fitting a run to a machine: the first choice that fits, what is fixed stays fixed, and a refusal before any work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicvideo.errors import InputError
from magicvideo.fitting import SPARE, WORKSPACE, Choice, Memory, StageNeeds, Wish, Work, choices, fit, free, peak

GB = 1_000_000_000
NEEDS = [
    StageNeeds(
        "t2i", {"text": GB // 2, "unet": 2 * GB}, (Work("text", ("text",), GB, 0), Work("UNet", ("unet",), 2 * GB, 0))
    ),
    StageNeeds(
        "v2v",
        {"unet": GB, "vae": GB // 10},
        (Work("UNet", ("unet",), GB, GB / 2, "window", 32), Work("VAE", ("vae",), 0, 2 * GB, "vae", 32, tile=0.25)),
    ),
]
"""T2I: 5 GB of weights in 16 bits. V2V: 2.2 GB of weights, 17 GB of denoising or 16 GB of decoding beside them."""
ASKED = Wish(compute="bfloat16")


def usable(size: float) -> Memory:
    """A device of which so much can be used, and ample memory beside it."""
    return Memory(int((size + WORKSPACE) / (1 - SPARE)) + 1, 1000 * GB)


def test_the_bytes_of_a_stage_by_hand() -> None:
    asked = Choice("bfloat16", 0, 8, offload=False, tile=False)
    assert peak(NEEDS[0], asked) == (7 * GB, "UNet")
    assert peak(NEEDS[1], asked) == (pytest.approx(2.2 * GB + 17 * GB), "UNet")
    assert peak(NEEDS[1], replace(asked, window=16))[0] == pytest.approx(2.2 * GB + 16 * GB)  # now it is the VAE
    assert peak(NEEDS[1], replace(asked, window=16, decode_at_once=2))[0] == pytest.approx(2.2 * GB + 9 * GB)
    assert peak(NEEDS[1], replace(asked, window=16, tile=True))[0] == pytest.approx(2.2 * GB + 9 * GB)
    assert peak(NEEDS[1], replace(asked, offload=True))[0] == pytest.approx(2 * GB + 17 * GB)
    assert peak(NEEDS[1], replace(asked, compute="float32"))[0] == pytest.approx(2 * 19.2 * GB)


def test_nothing_changes_where_there_is_room() -> None:
    plan = fit(NEEDS, usable(20 * GB), ASKED)
    assert plan.choice == next(choices(ASKED))
    assert plan.changes == ()
    assert plan.peaks == {"t2i": 7 * GB, "v2v": pytest.approx(19.2 * GB)}


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (19.25, ()),
        (19.1, ("networks wait in the machine's memory",)),
        (18.2, ("the VAE takes 8 frames together", "windows of 16 frames, which makes another clip")),
        (11.3, ("the VAE takes 4 frames together", "windows of 16 frames, which makes another clip")),
    ],
)
def test_the_least_dear_change_comes_first(size: float, changes: tuple[str, ...]) -> None:
    plan = fit(NEEDS, usable(size * GB), ASKED)
    assert plan.changes == tuple(c for c in changes if c != "the VAE takes 8 frames together")
    assert max(plan.peaks.values()) <= size * GB


def test_what_does_not_fit_is_refused_with_need_and_have() -> None:
    with pytest.raises(InputError, match=r"v2v \(UNet\) needs 7\.0 GB at the least \(.*wait in the machine's memory"):
        fit(NEEDS, usable(5.9 * GB), ASKED)
    with pytest.raises(InputError, match=r"v2v \(UNet\) needs 19\.2 GB .*and 10\.0 GB of 11\.2 GB free can be used"):
        fit(NEEDS, usable(10 * GB), replace(ASKED, window=0, offload=False))


def test_networks_need_a_place_to_wait_in() -> None:
    tight = replace(usable(19.1 * GB), beside=2 * GB)
    assert not fit(NEEDS, tight, ASKED).choice.offload
    with pytest.raises(InputError, match=r"the networks need 5\.0 GB of the machine's memory to wait in, and 2\.0 GB"):
        fit(NEEDS, tight, replace(ASKED, window=0, decode_at_once=1, tile=True))


def test_an_unknown_memory_changes_nothing() -> None:
    assert fit(NEEDS, Memory(None), ASKED).changes == ()


def test_without_needs_everything_fits() -> None:
    assert fit([], Memory(WORKSPACE * 2)).changes == ()


@given(
    size=st.floats(1e8, 60e9),
    compute=st.sampled_from([None, "float32", "bfloat16"]),
    window=st.sampled_from([None, 0, 16]),
    decoded=st.sampled_from([None, 1, 8]),
    offload=st.sampled_from([None, False, True]),
    tile=st.sampled_from([None, False, True]),
)
def test_a_plan_fits_keeps_what_is_fixed_and_is_the_first_that_does(
    size: float, compute: object, window: object, decoded: object, offload: object, tile: object
) -> None:
    wish = Wish(compute, window, decoded, offload, tile)  # type: ignore[arg-type]
    memory = usable(size)
    assert memory.usable is not None
    fits = [c for c in choices(wish) if max(peak(n, c)[0] for n in NEEDS) <= memory.usable]
    if not fits:
        with pytest.raises(InputError, match="at the least"):
            fit(NEEDS, memory, wish)
        return
    plan = fit(NEEDS, memory, wish)
    assert plan.choice == fits[0]
    for name, asked in (("compute", compute), ("window", window), ("decode_at_once", decoded)):
        assert asked is None or getattr(plan.choice, name) == asked
    more = fit(NEEDS, usable(2 * size), wish)
    listed = list(choices(wish))
    assert listed.index(more.choice) <= listed.index(plan.choice)  # more memory never costs anything


def test_this_machine_tells_what_is_free() -> None:
    here = free("cpu")
    assert here.device is not None
    assert here.device > 1 << 28
    assert free("cuda").beside is not None
