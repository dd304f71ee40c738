"""Processes that start with nothing of this one but what they are given.

A process that multiprocessing spawns first runs the main script of its parent again, so that functions defined there
can be found. Workers here are given functions of modules alone, and for a script without an
`if __name__ == "__main__"` that second run would begin everything anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_ONE_AT_A_TIME = Lock()


@contextmanager
def without_main_script() -> Iterator[None]:
    """Processes spawned inside do not run this process's main script."""
    main = sys.modules["__main__"]
    with _ONE_AT_A_TIME:
        spec, named = main.__spec__, "__file__" in vars(main)
        file = vars(main).pop("__file__", None)
        main.__spec__ = None
        try:
            yield
        finally:
            main.__spec__ = spec
            if named:
                main.__file__ = file
