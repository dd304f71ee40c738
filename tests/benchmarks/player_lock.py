"""By how many frames the player's two videos differ, in a real headless Chromium.

    python tests/benchmarks/player_lock.py
    python tests/benchmarks/player_lock.py --seconds 60

Plays a pair at four speeds, over its end, and at normal speed with ten seeks to random frames, a second apart. At each
change of the screen the two pictures' frames are read from their pixels. Prints two lines for each: what was on the
screen, and what the browser played under it, which would be seen without the player's drawing. Exits with 1 if two
pictures on the screen were more than one frame apart.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "annotation"))
from browser.bare import ARGUMENTS, CHROMIUM, WATCH, Bare, bare_page, seen
from browser.pictures import FPS, FRAMES

KEYS = {0.5: "[[", 1.0: "", 1.5: "]", 2.0: "]]"}
SEEKS, PAUSE = 10, 1.0
SEEK = "(k) => { ref('position').value = k; ref('position').dispatchEvent(new Event('input')) }"
HEAD = f"{'':12}{'':12}{'pictures':>10}{'worst':>8}{'p50':>7}{'p95':>7}{'p99':>7}{'over 1':>9}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="at each speed (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no Chromium on this machine: apt-get install chromium")
    places = random.Random(arguments.seed).choices(range(FRAMES), k=SEEKS)
    print(HEAD)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder, bare_page(Path(folder)) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for speed in KEYS:
            worst = max(worst, measured(browser, address, f"speed {speed:g}", speed, arguments.seconds, ()))
        worst = max(worst, measured(browser, address, f"{SEEKS} seeks", 1.0, PAUSE, places))
        browser.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return int(worst > 1)


def measured(browser: Any, address: str, name: str, speed: float, seconds: float, places: Sequence[int]) -> float:
    """Plays a pair and prints what was seen; returns the worst difference on the screen, in frames."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(address)
    page.wait_for_function("window.show !== undefined")
    bare = Bare(page)
    bare.show()
    bare.ready()
    bare.press(*KEYS[speed], " ")
    page.evaluate(WATCH)
    page.wait_for_timeout(1000 * seconds)
    for place in places:
        page.evaluate(SEEK, place)
        page.wait_for_timeout(1000 * seconds)
    found = seen(page)
    page.close()
    wanted = FPS * speed * seconds * (1 + len(places))
    line(name, "screen", found.screen, wanted)
    line("", "videos", found.videos, wanted)
    return max(found.screen)


def line(name: str, what: str, frames: Sequence[float], wanted: float) -> None:
    middle, most, nearly = np.percentile(frames, (50, 95, 99))
    over = np.mean(np.array(frames) > 1.01)
    share = f"{len(frames) / wanted:.0%}"
    print(
        f"{name:12}{what:12}{share:>10}{max(frames):8.1f}{middle:7.1f}{most:7.1f}{nearly:7.1f}{over:9.1%}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
