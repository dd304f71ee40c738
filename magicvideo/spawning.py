"""Processes that start with nothing of this one but what they are given.

A process that multiprocessing spawns first runs the main script of its parent again, so that functions defined there
can be found. Workers here are given functions of modules alone, and for a script without an
`if __name__ == "__main__"` that second run would begin everything anew. A Ctrl-C goes to every process of a terminal;
one that is still importing would answer it with a traceback.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Lock

_ONE_AT_A_TIME = Lock()


@contextmanager
def on_their_own() -> Iterator[None]:
    """Processes spawned inside do not run this process's main script, and never hear Ctrl-C.

    This process hears one that comes meanwhile at the end.
    """
    resource_tracker.ensure_running()  # starting it would let signals through again
    with _ONE_AT_A_TIME, _deaf(), _nameless():
        yield


@contextmanager
def _deaf() -> Iterator[None]:
    """A spawned process keeps the mask of signals that its parent's thread had."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _nameless() -> Iterator[None]:
    """The main module without what multiprocessing would find its script by."""
    main = sys.modules["__main__"]
    spec, named = main.__spec__, "__file__" in vars(main)
    file = vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if named:
            main.__file__ = file
