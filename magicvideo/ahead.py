"""Values made ahead of their use, in a thread, within a budget: decoding or optical flow goes on while networks look.

Does not know what the values are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


def ahead(source: Iterable[T], weight: Callable[[T], int], most: int, depth: int = 2) -> Iterator[T]:
    """The source's values in order, made in a thread before they are asked for.

    Never are more than `depth` waiting, and the next one is begun only while those that wait and the one in use weigh
    no more than `most`: what is held is bounded by `most` and one value. An exception of the source is raised where its
    value would have come. Whoever stops asking stops the thread after the value it is at.
    """
    made = _Made[T](most, depth)
    thread = Thread(target=_make, args=(iter(source), weight, made), name="ahead", daemon=True)
    thread.start()
    try:
        while (found := made.take()) is not None:
            yield found[0]
    finally:
        made.close()
        thread.join(timeout=0.5)


def _make(source: Iterator[T], weight: Callable[[T], int], made: _Made[T]) -> None:
    try:
        while made.wants_more():
            value = next(source)
            made.put(value, weight(value))
            del value
        made.end(None)
    except StopIteration:
        made.end(None)
    except BaseException as error:
        made.end(error)
    with suppress(AttributeError):
        source.close()  # type: ignore[attr-defined]


class _Made(Generic[T]):
    """What lies between the two threads. `take` releases the weight of what was taken before."""

    def __init__(self, most: int, depth: int) -> None:
        self._most, self._depth = most, depth
        self._waiting = deque[tuple[T, int]]()
        self._held = 0
        self._in_use = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._change = Condition()

    def wants_more(self) -> bool:
        """Waits until there is room; False if nobody asks any more."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._has_room())
            return not self._closed

    def _has_room(self) -> bool:
        return len(self._waiting) < self._depth and self._held <= self._most

    def put(self, value: T, weight: int) -> None:
        with self._change:
            self._waiting.append((value, weight))
            self._held += weight
            self._change.notify_all()

    def take(self) -> tuple[T] | None:
        """The next value, or None after the last. Raises what the source raised."""
        with self._change:
            self._held -= self._in_use
            self._in_use = 0
            self._change.notify_all()
            self._change.wait_for(lambda: bool(self._waiting) or self._ended)
            if self._waiting:
                value, self._in_use = self._waiting.popleft()
                self._change.notify_all()
                return (value,)
            if self._error is not None:
                raise self._error
            return None

    def end(self, error: BaseException | None) -> None:
        with self._change:
            self._ended, self._error = True, error
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._waiting.clear()
            self._change.notify_all()
