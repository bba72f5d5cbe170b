"""The digest of a model whose weights are in the hub's cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.model_digest import digest_of


def test_a_name_on_the_hub_counts_with_the_commit_that_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines that fetched one unpinned name at different times have different weights."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    older, newer = "a" * 40, "b" * 40
    model = ModelSettings(name="film", engine="sdxl")
    unpinned = replace(model, weights="somebody/model")
    unknown = digest_of(unpinned)
    _cache(tmp_path, older)
    assert len({unknown, digest_of(unpinned), digest_of(replace(model, weights="somebody/other"))}) == 3
    assert digest_of(unpinned) == digest_of(replace(model, weights=f"somebody/model@{older}"))
    before = digest_of(unpinned)
    _cache(tmp_path, newer)
    assert digest_of(unpinned) != before
    assert digest_of(replace(model, weights="somebody/model@main")) == digest_of(unpinned)
    assert digest_of(replace(model, weights=f"somebody/model@{older}")) == before
    assert digest_of(replace(model, weights="somebody/model/film.safetensors")) != digest_of(unpinned)
    (tmp_path / "models--somebody--model" / "refs" / "main").write_text("c" * 40)  # nothing of it is here
    assert digest_of(unpinned) == unknown


def _cache(folder: Path, commit: str) -> None:
    """As huggingface_hub does, when `main` is this commit."""
    repository = folder / "models--somebody--model"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
