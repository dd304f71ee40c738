"""Votes and counts in and out: CSV, JSON lines, Parquet, Label Studio, and plain Good / Same / Bad counts.

Every error names the file, the line and the field, and says what to do. The file's suffix decides the form.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from annotation import label_studio
from annotation.table import OPTIONAL, REQUIRED, Place, tidy
from magicvideo.errors import InputError
from magicvideo.files import atomic_path, read_jsonl_lines, write_jsonl

COUNTS = ("system", "good", "same", "bad")
MOST = 10**12
"""More votes than this is a typing error."""


def read_votes(path: Path) -> pd.DataFrame:
    """Votes of a .csv, .jsonl, .parquet or (Label Studio's) .json file, as `annotation.table.tidy` leaves them."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: votes are read from {', '.join(READERS)} files; convert it to one of them")
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    frame, place = reader(path)
    return tidy(frame, place, str(path))


def write_votes(path: Path, frame: pd.DataFrame) -> None:
    """Write votes by the suffix of `path`, whole or not at all; every column of the frame is kept.

    Raises `InputError` for another suffix than .csv, .jsonl, .parquet or .json (Label Studio).
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path}: votes are written to {', '.join(WRITERS)} files; choose one of these suffixes")
    writer(path, frame)


def read_counts(path: Path) -> dict[str, tuple[int, int, int]]:
    """System -> (good, same, bad) of a CSV file with these columns, in the file's order."""
    counts = dict[str, tuple[int, int, int]]()
    for line, row in _csv_rows(path, COUNTS):
        where = f"{path}, line {line}"
        name = (row["system"] or "").strip()
        if not name:
            raise InputError(f"{where}: 'system' is empty; name the system or remove the line")
        if name in counts:
            raise InputError(f"{where}: {name!r} was on an earlier line already; add the counts up in one line")
        found = [_count(row[field], field, where) for field in COUNTS[1:]]
        if sum(found) == 0:
            raise InputError(f"{where}: {name!r} has no votes at all; remove the line")
        counts[name] = (found[0], found[1], found[2])
    if not counts:
        raise InputError(f"{path}: no counts; add one line a system: {','.join(COUNTS)}")
    return counts


def _count(text: str | None, field: str, where: str) -> int:
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()) or int(text) > MOST:
        raise InputError(f"{where}: {field} is {text!r}; write a whole number of votes, 0 or more, without separators")
    return int(text)


def _csv_rows(path: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str | None]]]:
    """Line number and fields of each row of a small CSV file; blank lines are passed over."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            names = [(name or "").strip().lower() for name in reader.fieldnames or []]
            reader.fieldnames = names
            _check_header(path, names, needed)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} as CSV: {error}; save it as UTF-8 text with commas") from None
    for line, row in rows:
        if "" in row or None in row.values():
            raise InputError(f"{path}, line {line}: not {len(names)} fields as in the header; mend the commas")
    return rows


def _check_header(path: Path, names: list[str], needed: tuple[str, ...]) -> None:
    for name in needed:
        if names.count(name) != 1:
            fault = "no column" if name not in names else "two columns"
            raise InputError(f"{path}, line 1: {fault} {name!r}; the header is {','.join(needed)}")


def _read_csv(path: Path) -> tuple[pd.DataFrame, Place]:
    """By Arrow: a million rows in a fraction of a second. The lines of a wrong row are looked up when it is named."""
    text = pa.dictionary(pa.int32(), pa.string())
    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(REQUIRED + OPTIONAL, text)),
        )
    except (OSError, pa.ArrowException) as error:
        raise _csv_error(path, error) from None
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise InputError(f"{path}, line 1: two columns {min(twice)!r}; remove one")
    kept = [name for name in table.column_names if name in REQUIRED + OPTIONAL]
    return table.select(kept).to_pandas(), lambda row: f"{path}, line {_line(path, row)}"


def _csv_error(path: Path, error: Exception) -> InputError:
    """What a second, slower reading says about the line; Arrow's own words where it finds nothing."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            width = len(next(reader, []))
            for row in reader:
                if row and len(row) != width:
                    return InputError(
                        f"{path}, line {reader.line_num}: {len(row)} fields where the header has {width}; "
                        "mend the commas, or put quotes round a text that holds one"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as found:
        return InputError(f"cannot read {path} as CSV: {found}; save it as UTF-8 text with commas")
    return InputError(f"cannot read {path} as CSV: {error}; save it as UTF-8 text with commas and a header")


def _line(path: Path, row: int) -> int:
    """The line on which a row ends: quoted texts may hold line breaks, and blank lines are no rows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        rows = (reader.line_num for fields in reader if fields)
        return next(line for number, line in enumerate(rows) if number == row)


def _read_jsonl(path: Path) -> tuple[pd.DataFrame, Place]:
    rows = read_jsonl_lines(path)
    for line, row in rows:
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {line}: not an object; write one vote a line, with {', '.join(REQUIRED)}")
        short = next((name for name in REQUIRED if row.get(name) is None), None)
        if short is not None:
            raise InputError(f"{path}, line {line}: {short!r} is missing; every vote has {', '.join(REQUIRED)}")
    known = [{name: _text(row[name]) for name in REQUIRED + OPTIONAL if name in row} for _, row in rows]
    return pd.DataFrame(known), lambda row: f"{path}, line {rows[row][0]}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _read_parquet(path: Path) -> tuple[pd.DataFrame, Place]:
    try:
        return pd.read_parquet(path), lambda row: f"{path}, row {row + 1}"
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path} as Parquet: {error}; write it again or use CSV") from None


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def _write_jsonl(path: Path, frame: pd.DataFrame) -> None:
    plain = frame.astype(object).where(frame.notna(), None)
    write_jsonl(path, plain.to_dict("records"))


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, Place]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".json": label_studio.read,
}
WRITERS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
    ".json": label_studio.write,
}
