"""Placement for different GPUs, on a torch that claims to have them."""

from __future__ import annotations

import pytest

from ourvidz_worker.engines.settings import EngineSettings


def test_an_older_gpu_emulates_no_bfloat16_and_repeats_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from ourvidz_worker.engines.diffusion.placement import choose_placement

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    assert choose_placement(EngineSettings(engine="wan"), half="bfloat16").precision == torch.float16
    assert torch.backends.cudnn.deterministic
