"""The GPU engines on real pipeline classes with tiny random weights, on the CPU, without any hub.

They need what `script/test --engines` installs; elsewhere nothing here is collected. Importing torch and
diffusers costs 12 CPU seconds, so all of it runs in one process, and nothing imports them before a test does.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.engines.jobs import Make

HAS_TORCH = find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["test_*.py"]

# Before torch is imported: threads that spin for work cost more than they bring to models of this size.
if HAS_TORCH:
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:  # deprecations inside these libraries are not ours to fix
            item.add_marker(pytest.mark.filterwarnings("default"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))  # the first one imports torch, on any machine


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models: sdxl, wan, wan-start and its like, wan-both, words (a language model)."""
    from tests.engines.tiny import save_all

    folder = tmp_path_factory.mktemp("models")
    save_all(folder)
    return folder


@pytest.fixture(scope="session")
def sdxl(models: Path) -> Make:
    return Make(engine="sdxl", model=str(models / "sdxl"))


@pytest.fixture(scope="session")
def wan(models: Path) -> Make:
    """With weights for a start frame and a language model."""
    return Make(
        engine="wan",
        model=str(models / "wan"),
        image_model=str(models / "wan-start"),
        enhancer=str(models / "words"),
    )
