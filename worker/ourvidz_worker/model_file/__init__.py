"""Reads the `[[models]]` of a worker's file."""

from __future__ import annotations

from ourvidz_worker.model_file.entries import parse_models
from ourvidz_worker.model_file.table import InvalidModel, key_problem

__all__ = ["InvalidModel", "key_problem", "parse_models"]
