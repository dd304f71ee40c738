"""How quick the dashboard is: `python tests/benchmarks/dashboard.py STORE` (make STORE with make_store.py).

Starts a server with an empty cache, opens every page in headless Chromium and prints seconds until its heading, its
content and the last skeleton are there; then again from a warm cache. Promised: first view 2 s, pages 1 s, 1 GB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from annotation.serve import free_port
from reports.dashboard.navigation import PAGES

IDLE = """document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
  && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')"""
HEADINGS = {"overview": "What needs attention", "compare": "Compare two runs", "costs": "What a video costs"}


def measure(store: Path, cache: str) -> None:
    port = free_port("localhost", 18_801)
    words = [sys.executable, "-m", "magicvideo.cli", "dashboard", str(store), "--port", str(port)]
    begun = time.perf_counter()
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ | {"XDG_CACHE_HOME": cache})
    try:
        while not _answers(port):
            if server.poll() is not None:
                sys.exit(f"the dashboard ended: magicvideo dashboard {store} says why")
            time.sleep(0.05)
        print(f"server ready after {time.perf_counter() - begun:.1f} s")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            begun = time.perf_counter()
            page.goto(f"http://localhost:{port}/")
            print(f"first view {_shown(page, 'overview', begun):.2f} s")
            for name in [*PAGES, *PAGES]:
                begun, spent = time.perf_counter(), _spent(server)
                page.locator("[data-testid=stTopNavLink]", has_text=PAGES[name]).first.click()
                seconds = _shown(page, name, begun)
                print(f"  {name:<10} {seconds:.2f} s, of the server's processor {_spent(server) - spent:.2f} s")
            browser.close()
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        print(f"server memory {sum(p.memory_info().rss for p in processes) / 1e6:.0f} MB")
    finally:
        server.kill()
        server.wait()


def _spent(server: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


def _shown(page: object, name: str, begun: float) -> float:
    heading = HEADINGS.get(name, PAGES[name])
    page.locator("h1", has_text=heading).first.wait_for(timeout=60_000)  # type: ignore[attr-defined]
    page.wait_for_function(IDLE, timeout=60_000)  # type: ignore[attr-defined]
    return time.perf_counter() - begun


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    asked = parser.parse_args()
    if not asked.store.is_dir():
        parser.error(f"{asked.store}: no such folder; make one: python tests/benchmarks/make_store.py {asked.store}")
    with tempfile.TemporaryDirectory() as folder:
        for state in ("cold", "warm"):
            print(f"{state} cache, {os.getloadavg()[0]:.1f} processes waiting for {os.cpu_count()} cores")
            measure(asked.store, folder)
