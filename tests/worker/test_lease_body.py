"""The lease that the scripted server hands out has the shape of the real one's."""

from __future__ import annotations

from typing import Any

from generation.worker_api.payloads import LeaseResponse
from tests.worker.protocol_server import job_body


def test_a_scripted_lease_has_the_fields_of_a_real_one() -> None:
    """Else the worker's tests would prove that it understands nobody."""
    real: Any = LeaseResponse()
    scripted = job_body() | {"preview": {"max_bytes": 65536, "max_side": 512, "every_seconds": 2}}
    scripted["references"] = [{"type": "style", "strength": 0.5, "url": "/file"}]
    assert set(scripted) == set(real.fields)
    for name in ("slots", "references"):
        assert set(scripted[name][0]) == set(real.fields[name].child.fields), name
    for name in ("upload", "preview"):
        assert set(scripted[name]) == set(real.fields[name].fields), name
