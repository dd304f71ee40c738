"""`magicvideo study invite`: links that let people into a study."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from annotation.verbs.common import add_database
from magicvideo.errors import InputError

MOST = 10_000


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="the study's folder")
    parser.add_argument("who", nargs="*", help="names or addresses; hashed, not kept, and needed for OpenID Connect")
    parser.add_argument("--count", type=int, metavar="N", help="so many links for nobody in particular")
    parser.add_argument("--role", choices=["annotator", "owner"], default="annotator")
    parser.add_argument("--days", type=float, default=30, help="until the invitation ends (default: 30)")
    parser.add_argument("--url", default="http://localhost:8501", help="where the study is served")
    add_database(parser)


def run(arguments: Namespace) -> dict[str, Any]:
    """Invite and print the links: they are secrets, and are shown only here."""
    from annotation.invitations import invite
    from annotation.session import opened

    count = arguments.count if arguments.count is not None else 0 if arguments.who else 1
    if not 0 <= count <= MOST:
        raise InputError(f"--count must be from 0 to {MOST:,}, got {count}")
    study, votes = opened(arguments.study, arguments.database)
    found = []
    for who in [*arguments.who, *[None] * count]:
        person, token = invite(study, votes, who, arguments.role, arguments.days)
        link = f"{arguments.url.rstrip('/')}/?{urlencode({'invite': token})}"
        found.append({"who": who, "annotator": person, "role": arguments.role, "token": token, "link": link})
    lines = [f"{one['who']}: {one['link']}" if one["who"] else one["link"] for one in found]
    print("\n".join(lines), file=sys.stderr if arguments.json else sys.stdout)
    return {"study": str(arguments.study), "invitations": found}
