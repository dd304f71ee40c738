"""Files of unknown origin are decoded in a child process, so that a bad one costs itself alone.

The child is started once and kept; if it crashes, hangs or outgrows its memory it is replaced and the file gets the
reason. Frames come back through memory that both share and that ends with them, so that no kill leaves anything behind.
The child imports neither torch nor any backbone. A decoder may be used from several threads; files take turns.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from evals.states import Unscored
from magicvideo.clip import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Frames, Limits, VideoClip, open_video, read_clip
from magicvideo.errors import InputError

FILE_LIMITS = Limits(frames=10_000, frame_pixels=4096 * 4096, pixels=400_000_000)
START_SECONDS = 120.0
LOSSLESS = frozenset({"ffv1", "png", "bmp", "npy", "memory", "rawvideo", "huffyuv", "ffvhuff", "utvideo"})


@dataclass(frozen=True)
class Allowance:
    """What one file may cost in the child."""

    seconds: float = 120.0
    memory_bytes: int = 6 << 30
    limits: Limits = FILE_LIMITS
    grace_seconds: float = 10.0
    """How much longer a child lives that nobody stops: its parent may have been killed."""


@dataclass(frozen=True)
class Decoded:
    """A clip and the codec it came through ("memory" if it was handed over)."""

    clip: VideoClip
    codec: str


def decode(path: Path, limits: Limits = FILE_LIMITS) -> Decoded:
    """Decode in this process. Raises `InputError`."""
    return Decoded(read_clip(path, limits), codec_of(path))


def codec_of(path: Path) -> str:
    """The codec's name, e.g. "h264", "ffv1", "gif", "png" (an image folder's first picture decides), "npy"."""
    if path.is_dir():
        path = next(f for f in sorted(path.iterdir()) if f.suffix.lower() in IMAGE_SUFFIXES)
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        return suffix.removeprefix(".").replace("jpg", "jpeg")
    with open_video(path) as source:
        return str(source.streams.video[0].codec_context.name)


@dataclass
class Decoder:
    """Decodes files in a kept child process. Use as a context manager; the child starts at the first file."""

    allowance: Allowance = Allowance()
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _shared: IO[bytes] | None = field(default=None, init=False)
    _turn: Lock = field(default_factory=Lock, init=False)
    _left: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        self._left = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._left = True  # a thread that still decodes starts no other child
        self._stop()

    def decode(self, path: Path) -> Decoded | Unscored:
        """The decoded file, or the reason why it cannot be. Never raises for what is in the file."""
        with self._turn:
            return self._decode(path)

    def _decode(self, path: Path) -> Decoded | Unscored:
        child = self._running()
        if child is None:
            return Unscored(f"{path}: the decoder's process could not be started")
        allowed = self.allowance
        end = math.ceil(allowed.seconds + allowed.grace_seconds)
        try:
            _send(child.stdin, {"path": str(path.absolute()), "limits": asdict(allowed.limits), "end": end})
            answer = self._answer(child, allowed.seconds)
            if isinstance(answer, Unscored):
                self._stop()
                return Unscored(f"{path}: {answer.reason}")
            if "reason" in answer:
                return Unscored(answer["reason"])
            return Decoded(VideoClip(self._frames(answer["shape"]), answer["fps"]), answer["codec"])
        except (BrokenPipeError, ConnectionError):
            self._stop()
            return Unscored(f"{path}: the decoder could not be reached")

    def _frames(self, shape: list[int]) -> Frames:
        """What the child wrote into the shared memory, which is emptied."""
        assert self._shared is not None
        frames = np.empty(shape, np.uint8)
        self._shared.seek(0)
        if self._shared.readinto(frames.data) != frames.nbytes:  # type: ignore[attr-defined]
            raise ConnectionError("the decoder handed over fewer frames than it said")
        self._shared.truncate(0)
        frames.flags.writeable = False
        return frames

    def _answer(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | Unscored:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], seconds)
        if not ready:
            return Unscored(f"decoding took more than {seconds:g} s and was stopped")
        line = child.stdout.readline()
        if not line.endswith(b"\n"):
            child.wait(timeout=10)
            return Unscored(f"the decoder crashed on this file (exit code {child.returncode})")
        return dict(json.loads(line))

    def _running(self) -> subprocess.Popen[bytes] | None:
        """The child, started and ready; None if it does not start. Starting does not count as the file's time."""
        if self._left:
            return None
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._shared = _shared_memory()
            shared = self._shared.fileno()
            code = f"from evals.decode import serve; serve({self.allowance.memory_bytes}, {shared})"
            # -P and the parent's own path: the child finds this package, and nothing in the current folder.
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
            environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=[shared],
                start_new_session=True,  # Ctrl-C goes to the parent alone, which stops the child
            )
            if isinstance(self._answer(self._child, START_SECONDS), Unscored):
                self._stop()
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _shared_memory() -> IO[bytes]:
    """A file without a name: in memory where the system has such, else in the folder for temporary files."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("frames"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def serve(memory_bytes: int, shared: int) -> None:
    """The child: says that it is ready, then one JSON request a line in, one JSON answer a line out, until the end."""
    import av

    av.logging.set_level(av.logging.PANIC)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Answers keep the pipe to themselves: whatever a decoder prints goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _send(answers, {"ready": True})
    with os.fdopen(shared, "r+b", buffering=0) as frames:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            signal.alarm(request["end"])
            _send(answers, _serve_one(request, frames))
            signal.alarm(0)


def _serve_one(request: dict[str, Any], frames: IO[bytes]) -> dict[str, Any]:
    path = Path(request["path"])
    try:
        decoded = decode(path, Limits(**request["limits"]))
        _write(frames, decoded.clip.frames)
    except InputError as error:
        return {"reason": str(error)}
    except MemoryError:
        return {"reason": f"{path}: decoding needs more memory than one file may use"}
    except Exception as error:
        return {"reason": f"{path}: cannot be decoded ({type(error).__name__}: {error})"}
    return {"shape": list(decoded.clip.frames.shape), "fps": decoded.clip.fps, "codec": decoded.codec}


def _write(target: IO[bytes], frames: Frames) -> None:
    target.seek(0)
    rest = frames.reshape(-1).data
    while rest:
        rest = rest[target.write(rest) :]


def _send(pipe: IO[bytes] | None, message: dict[str, Any]) -> None:
    assert pipe is not None
    pipe.write(json.dumps(message).encode() + b"\n")
    pipe.flush()
