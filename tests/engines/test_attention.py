"""How attention is computed: what an operator can choose, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ourvidz_worker.cli import main
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, film, job, pixels


def test_wan_uses_the_attention_chosen_and_nothing_else_does(models: Path, wan: Make) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    make = Make(engine="wan", model=str(models / "wan"), attention="math")
    used = set()

    def look(*_: object) -> None:
        used.add(_AttentionBackendRegistry.get_active_backend()[0].value)

    hook = make.engine._text.transformer.register_forward_pre_hook(look)
    picture = film(media="image", frames=1, fps=0)
    (made,) = make.results(picture)
    hook.remove()
    assert used == {"_native_math"}
    assert _AttentionBackendRegistry.get_active_backend()[0].value == "native"
    assert made.metadata["attention"] == "math"
    # Rounding differs, the picture does not.
    assert np.abs(pixels(made) - pixels(wan.results(picture)[0])).max() <= 2


def test_sdxl_uses_the_attention_chosen_and_nothing_else_does(models: Path, sdxl: Make) -> None:
    make = Make(engine="sdxl", model=str(models / "sdxl"), attention="math")
    used = set()
    hook = make.engine._text.unet.register_forward_pre_hook(
        lambda *_: used.add((torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled()))
    )
    plain, auto = make.results(job())[0], sdxl.results(job())[0]
    hook.remove()
    assert used == {(True, False)}
    assert torch.backends.cuda.flash_sdp_enabled()
    assert plain.metadata["attention"] == "math"
    assert np.abs(pixels(plain) - pixels(auto)).max() <= 2


@pytest.mark.parametrize(
    ("engine", "attention", "sentence"),
    [
        ("sdxl", "flash", "is nothing for the engine sdxl, which has auto, math"),
        ("wan", "sage", "needs a CUDA device; here is only cpu"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    models: Path, engine: str, attention: str, sentence: str
) -> None:
    settings = EngineSettings(
        engine=engine, model=str(models / engine), attention=attention, device="cpu", precision="bfloat16"
    )
    with pytest.raises(EngineUnusable, match=f"--attention {attention} {sentence}") as refused:
        create_engine(settings).load()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("attention", "package"), [("flash", "flash-attn"), ("sage", "sageattention"), ("xformers", "xformers")]
)
def test_a_package_that_is_not_there_is_named(attention: str, package: str) -> None:
    from ourvidz_worker.engines.diffusion.attention import check_attention
    from ourvidz_worker.engines.diffusion.placement import Placement

    settings = EngineSettings(engine="wan", attention=attention)
    with pytest.raises(EngineUnusable, match=f"--attention {attention}: .*install `{package}"):
        check_attention(settings, Placement("cuda", torch.bfloat16))
    if attention != "xformers":
        with pytest.raises(EngineUnusable, match="needs half precision"):
            check_attention(settings, Placement("cuda", torch.float32))


def test_a_check_tells_it(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["check", "--engine", "wan", "--model", str(models / "wan"), "--device", "cpu"]
    for attention, verdict in (("math", "ok "), ("flash", "FAIL ")):
        main([*flags, "--attention", attention])
        lines = {line[9:].partition(":")[0]: line for line in capsys.readouterr().out.splitlines()}
        assert lines["attention"].startswith(verdict)
