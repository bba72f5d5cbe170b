"""Sizes in bytes."""

from __future__ import annotations

MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
EIB = 1024**6  # sums of several fit into the databases' integers
