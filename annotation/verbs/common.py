"""What the sub-verbs about a study's votes share."""

from __future__ import annotations

from argparse import ArgumentParser


def add_database(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="ADDRESS",
        help="postgresql://USER:PASSWORD@HOST/NAME; by default $MAGICVIDEO_STUDY_DATABASE, else a file in the study",
    )
