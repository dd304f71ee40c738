"""One door for all reports: what lies in the folder decides which report it is."""

from __future__ import annotations

from pathlib import Path

from magicvideo.errors import InputError
from magicvideo.files import read_json, write_text
from reports.document import SUFFIX, Form


def write(path: Path, form: Form = "html", out: Path | None = None) -> Path:
    """Write the report of a run or study (to `path/report.<suffix>` unless `out` is given) and return its path.

    Raises `InputError` for a folder that is neither, or cannot be written.
    """
    path = Path(path)
    target = Path(out) if out else path / f"report.{SUFFIX[form]}"
    write_text(target, text(path, form))
    return target


def text(path: Path, form: Form) -> str:
    """The report itself. Imports late: each kind needs other libraries."""
    if (path / "study.json").exists():
        from reports import study_report
        from reports.study import results

        result = results(path)
        return study_report.csv_of(result) if form == "csv" else _document(study_report.document(path, result), form)
    if _kind(path) == "evaluation":
        from reports import evaluation_report
        from reports.evaluation import read_evaluation

        run = read_evaluation(path)
        if form == "csv":
            return evaluation_report.csv_of(run)
        return _document(evaluation_report.document(run, videos=form == "html"), form)
    from reports.ablation import text as ablation_text

    return ablation_text(path, form)


def _document(made: object, form: Form) -> str:
    from reports import document

    assert isinstance(made, document.Document)
    return {"html": document.html, "md": document.markdown, "latex": document.latex}[form](made)


def _kind(path: Path) -> object:
    try:
        record = read_json(path / "run.json")
    except InputError:
        return None  # the reader of ablations says what is wrong
    return record.get("kind") if isinstance(record, dict) else None
