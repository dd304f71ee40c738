"""A Ctrl-C while workers are still starting is the parent's alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import time
from multiprocessing import get_context
from magicvideo.spawning import on_their_own

process = get_context("spawn").Process(target=time.sleep, args=(60,))
with on_their_own():
    process.start()
try:
    print("started", flush=True)
    process.join()
except KeyboardInterrupt:
    time.sleep(0.5)
    print("heard", process.is_alive(), flush=True)
    process.terminate()
"""


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.4])
def test_one_that_is_starting_does_not_answer_ctrl_c(seconds: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("heard True\n", "", 0)
