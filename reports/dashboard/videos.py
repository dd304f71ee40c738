"""Videos of a store as browsers play them: previews under opaque names, in the user's cache folder.

A page asks for two files by path and gets two addresses. Only files inside the folders that were named at the start are
taken, whatever a run's record says; they are decoded in a child process. The address tells nothing of the path, and
holds as long as the process.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.media import SHOWN_SIDE, alike, common, find_served, frame_count, keyed
from annotation.media import Shape as ClipShape
from annotation.player import Shape
from evals.decode import Decoder
from evals.states import Unscored
from magicvideo.clip import VideoClip, write_preview
from magicvideo.errors import InputError
from magicvideo.files import write_json
from reports.store import cache_folder

if TYPE_CHECKING:
    from starlette.routing import Route

CLIPS = "/clips"
HEADERS = {"cache-control": "private, max-age=86400", "x-content-type-options": "nosniff"}
Pair = tuple[tuple[str, str], Shape]


class Videos:
    """Previews of the videos in `roots`. Safe to use from several threads; one decodes at a time."""

    def __init__(self, roots: Sequence[Path], cache: Path | None = None) -> None:
        self.roots = [root.resolve() for root in roots]
        self.folder = (cache or cache_folder()) / "previews"
        self._secret = secrets.token_bytes(32)
        self._served: dict[str, str] = {}
        self._turn = threading.Lock()
        self._decoder = Decoder()

    def locate(self, path: Path, run: Path | None = None) -> Path | None:
        """The file, links followed, if it lies inside one of the folders. A run's record names it as it was called when
        it was scored; where that leads nowhere from here, it lies beside the run, in one of the folders, or behind that
        folder's name: stores are moved, and copied with their videos."""
        near = [run / path, run / path.name, run.parent / path] if run else []
        near += [root / path for root in self.roots]
        for root in self.roots:
            near += [root.joinpath(*path.parts[k + 1 :]) for k, part in enumerate(path.parts) if part == root.name]
        for end in [path, *near] if path.is_absolute() else [*near, path]:
            with suppress(OSError, ValueError):
                found = end.resolve(strict=True)
                if any(found.is_relative_to(root) for root in self.roots):
                    return found
        return None

    def pair(self, left: Path, right: Path) -> Pair:
        """Addresses of both videos at one rate, size and length, and that shape. Raises `InputError` if one cannot be
        shown: it is missing, lies outside the folders, or cannot be decoded."""
        left, right = self._located(left), self._located(right)
        key = sha256("\n".join(f"{p} {p.stat().st_mtime_ns}" for p in (left, right)).encode()).hexdigest()[:32]
        about = self.folder / f"{key}.json"
        with self._turn:
            if not about.exists():
                self._make(key, about, left, right)
            shape = Shape(**json.loads(about.read_text(encoding="utf-8")))
            names = [self._offer(sha256(f"{key}{side}".encode()).hexdigest()[:32] + ".mp4") for side in (0, 1)]
        return (f"{CLIPS}/{names[0]}", f"{CLIPS}/{names[1]}"), shape

    def _located(self, path: Path) -> Path:
        found = self.locate(path)
        if found is None:
            raise InputError(f"{path}: the video is missing, or lies outside the store; name its folder with --videos")
        return found

    def find(self, name: str) -> Path:
        """The file behind an address. Raises `InputError` for anything that was not offered."""
        if name not in self._served:
            raise InputError("no such video")
        return find_served(self.folder, self._served[name])

    def close(self) -> None:
        """End the process that decodes; the next pair would start it again."""
        with self._turn:
            self._decoder.__exit__(None, None, None)

    def _offer(self, file: str) -> str:
        name = keyed(self._secret, file)[:32] + ".mp4"
        self._served[name] = file
        return name

    def _make(self, key: str, about: Path, left: Path, right: Path) -> None:
        clips = [self._decode(path) for path in (left, right)]
        shapes = [ClipShape(len(clip), clip.fps, *clip.size) for clip in clips]
        wanted = common(shapes)
        frames = frame_count(shapes, wanted.fps)
        scale = max(1, SHOWN_SIDE // max(wanted.height, wanted.width))
        for side, clip in enumerate(clips):
            name = sha256(f"{key}{side}".encode()).hexdigest()[:32] + ".mp4"
            write_preview(self.folder / name, alike(clip, wanted, frames), scale=scale)
        write_json(about, asdict(Shape(frames, wanted.fps, *reversed(wanted.shown))))

    def _decode(self, path: Path) -> VideoClip:
        found = self._decoder.decode(path)
        if isinstance(found, Unscored):
            raise InputError(found.reason)
        return found.clip


def routes(videos: Videos) -> list[Route]:
    """The address of the previews: answers only with what a page offered."""
    from starlette.requests import Request
    from starlette.responses import FileResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def clip(request: Request) -> Response:
        try:
            path = videos.find(request.path_params["name"])
        except InputError:
            return PlainTextResponse("no such video", 404)
        return FileResponse(path, media_type="video/mp4", headers=HEADERS)

    return [Route(f"{CLIPS}/{{name}}", clip, methods=["GET", "HEAD"])]
