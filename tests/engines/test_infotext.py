"""What files say of their sampler, in stable-diffusion-webui's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.jobs import job


@pytest.mark.parametrize(
    ("scheduler", "options", "expected"),
    [
        ("DPMSolverMultistepScheduler", {}, "Sampler: DPM++ 2M, CFG"),
        (
            "DPMSolverMultistepScheduler",
            {"use_karras_sigmas": True},
            "Sampler: DPM++ 2M, Schedule type: Karras, CFG",
        ),
        (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
            "Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG",
        ),
        ("EulerAncestralDiscreteScheduler", {}, "Sampler: Euler a, CFG"),
        ("UniPCMultistepScheduler", {}, "Sampler: UniPC, CFG"),
    ],
)
def test_samplers_have_their_common_names(scheduler: str, options: Any, expected: str) -> None:
    import diffusers

    from ourvidz_worker.engines.infotext import common_fields, parameters_text

    wanted, made = job(), getattr(diffusers, scheduler)(**options)
    fields = common_fields(wanted, wanted.slots[0], made, (128, 96), "sdxl-base")
    text = parameters_text(prompt="a", negative_prompt="", fields=fields)
    assert expected in text
    assert text.splitlines()[1].startswith("Steps: 2, ")
    assert "Seed: 0, Size: 128x96, Model: sdxl-base, Version: " in text
