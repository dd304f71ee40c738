"""Trainers of the shipped evaluation networks: part -> module with `train(resume, steps) -> dict`."""

from __future__ import annotations

PARTS = {"reader": "evals.train.reader", "clip": "evals.train.clip", "video": "evals.train.video"}
