"""MLflow's folder of runs, for `mlflow ui --backend-store-uri FOLDER`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from reports.interop.handed import Handed, missing

EXPERIMENT = "magicvideo"
RECORDS = ("run.json", "summary.json")


def write(run: Path, handed: Sequence[Handed], out: Path) -> None:
    """One MLflow run each in the experiment "magicvideo", with metrics, tags and the run's records as artifacts."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a local folder needs the word from its third version on
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the machine
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise missing("mlflow-skinny", "mlflow") from None
    out.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=out.resolve().as_uri())
    experiment = client.get_experiment_by_name(EXPERIMENT)
    id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    for one in handed:
        made = client.create_run(id, run_name=one.name, tags=dict(one.tags)).info.run_id
        for name, value in one.scores.items():
            client.log_metric(made, _key(name.replace("/", ".")), value)  # a name may not be a folder too
        for name, values in one.items.items():
            for step, value in enumerate(values):
                client.log_metric(made, _key(f"videos/{name}"), value, step=step)
        for name, told in one.reads.items():
            client.set_tag(made, f"metric.{_key(name)}", told)
        for record in RECORDS:
            if (run / record).exists():
                client.log_artifact(made, str(run / record))
        client.set_terminated(made)


def _key(name: str) -> str:
    """MLflow takes letters, digits, _ - . space : and /."""
    return re.sub(r"[^\w\-. :/]", "_", name)
