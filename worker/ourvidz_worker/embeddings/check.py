"""What `ourvidz-worker check` finds out about an embedder without loading it."""

from __future__ import annotations

from collections.abc import Iterator

from ourvidz_worker.check import CheckResult
from ourvidz_worker.configuration import Configuration, connection_problem
from ourvidz_worker.embeddings import INSTALL, missing_packages
from ourvidz_worker.embeddings.client import EmbeddingServer
from ourvidz_worker.embeddings.refusals import final_reason
from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.embeddings.weights import location_of, weights_problem
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.hub_weights import HubProblem, hub_weights
from ourvidz_worker.weight_files import is_on_disk, part_sizes


def check_embedder(config: Configuration) -> Iterator[CheckResult]:
    """What `embed` needs beside a server that can be reached."""
    if config.token and not connection_problem(config):
        yield _check_access(config)
    settings = config.embedder
    if not settings.has_weights:
        yield CheckResult("embedder", f"{settings.model}, which needs no weights")
        return
    if names := missing_packages():
        yield CheckResult("embedder: libraries", "", f"{', '.join(names)}: {INSTALL}")
        return
    yield _check_device(settings)
    yield _check_weights(settings)


def _check_access(config: Configuration) -> CheckResult:
    server = EmbeddingServer(config.server, config.token)
    try:
        server.check_embeddings()
    except ServerRefused as refused:
        return CheckResult("embeddings", "", final_reason(refused, connected=False) or str(refused))
    except (ServerUnavailable, TokenRefused) as error:
        return CheckResult("embeddings", "", str(error))
    finally:
        server.close()
    return CheckResult("embeddings", f"{config.server} lets this worker embed")


def _check_device(settings: EmbedderSettings) -> CheckResult:
    from ourvidz_worker.engines.diffusion.placement import choose_placement

    try:
        chosen = EngineSettings(device=settings.device, precision=settings.precision)
        placement = choose_placement(chosen, half="float16")
    except EngineUnusable as unusable:
        return CheckResult("embedder: device", "", str(unusable))
    return CheckResult("embedder: device", f"{placement.describe()}, {placement.precision_name}")


def _check_weights(settings: EmbedderSettings) -> CheckResult:
    model = settings.model
    place = location_of(model)
    problem = weights_problem(place) if place else f"no folder {model}; a hub name needs --allow-download"
    if settings.allow_download and problem and not is_on_disk(model):
        return _check_hub(model)
    stored = f"{sum(part_sizes(place)) / 2**30:.1f} GiB" if place else ""
    return CheckResult("embedder: weights", f"{model}, {stored}", problem)


def _check_hub(model: str) -> CheckResult:
    try:
        found = hub_weights("embedder", model)
    except HubProblem as error:
        return CheckResult("embedder: weights", "", str(error))
    size = f"{sum(found.sizes) / 2**30:.1f} GiB from the hub when the embedder starts"
    return CheckResult("embedder: weights", f"{model}, {size}")
