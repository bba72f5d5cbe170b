"""One process for all models of a worker: what is loaded, what is unloaded for it, what cannot be used."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ourvidz_worker.engines import model_memory
from ourvidz_worker.engines.base import Engine, FinishedSlot, ReportProgress, Result
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.protocol import AssetError, Job, parse_job
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.scripted import ScriptedEngine, finished
from tests.worker.test_models import errors, leases
from tests.worker.test_runner import callbacks, ended, wait_for, working

JOB_TYPES = ("sdxl_image_fast",)


class Machine:
    """Engines with weights, of which so many fit at once; `events`: what was loaded and unloaded, in order.

    `broken`: by model, why it cannot be loaded, or what else loading it raises.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.events: list[str] = []
        self.loaded: set[str] = set()
        self.broken: dict[str, str | Exception] = {}
        self.short: set[str] = set()  # models whose jobs run out of memory beside others

    def create(self, settings: EngineSettings, model: ModelSettings) -> Engine:
        return Weighty(self, model.name)

    def fits(self, settings: EngineSettings) -> bool:
        return len(self.loaded) < self.room


class Weighty(ScriptedEngine):
    pools = ("sdxl_image_fast", "sdxl_image_high")

    def __init__(self, machine: Machine, model: str) -> None:
        super().__init__(self._job)
        self._machine, self._model = machine, model

    def load(self) -> None:
        machine = self._machine
        if reason := machine.broken.get(self._model):
            raise EngineUnusable(reason) if isinstance(reason, str) else reason
        if len(machine.loaded) >= machine.room:
            raise EngineUnusable("the weights do not fit into the memory")
        machine.loaded.add(self._model)
        machine.events.append(f"+{self._model}")

    def unload(self) -> None:
        if self._model in self._machine.loaded:
            self._machine.loaded.discard(self._model)
            self._machine.events.append(f"-{self._model}")

    def _job(self, job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        for number, slot in enumerate(job.slots):
            if self._model in self._machine.short and len(self._machine.loaded) > 1 and slot.number > 0:
                yield FinishedSlot(slot, AssetError("out_of_memory", "Too little memory.", retryable=True))
                continue
            report_progress(number / len(job.slots), "generating")
            yield finished(slot)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with room for two models."""
    machine = Machine(2)
    monkeypatch.setattr("ourvidz_worker.engines.loaded_models.fits", machine.fits)
    return machine


def switch(machine: Machine, *names: str, engine: str = "comfy") -> ModelSwitch:
    models = tuple(ModelSettings(name=name, engine=engine, job_types=JOB_TYPES) for name in names)
    return ModelSwitch(EngineSettings(), models, machine.create)


def generated(models: ModelSwitch, name: str, slots: int = 1) -> list[FinishedSlot]:
    wanted = parse_job(job_body(slots=slots, model=name))
    return list(models.generate(wanted, lambda share, stage: None, lambda: False))


def test_the_first_of_the_file_is_warm_at_the_start(two: Machine) -> None:
    models = switch(two, "a", "b", "c")
    models.load()
    assert two.events == ["+c", "+b", "-c", "+a"]
    assert models.warm == ("sdxl_image_fast@a", "sdxl_image_fast@b")
    assert models.pools == ("sdxl_image_fast@a", "sdxl_image_fast@b", "sdxl_image_fast@c")


def test_the_last_stays_and_the_longest_unused_goes(two: Machine) -> None:
    models = switch(two, "a", "b", "c")
    models.load()
    two.events.clear()
    for name in ("a", "b", "a", "c", "a", "c", "b"):
        assert isinstance(generated(models, name)[0].outcome, Result)
    assert two.events == ["-b", "+c", "-a", "+b"]
    assert models.warm == ("sdxl_image_fast@b", "sdxl_image_fast@c")


def test_all_that_fits_stays_and_there_is_nothing_to_prefer(two: Machine) -> None:
    models = switch(two, "a", "b")
    models.load()
    for name in ("a", "b", "a"):
        generated(models, name)
    assert two.events == ["+b", "+a"]
    assert models.warm == ()


def test_what_was_thought_to_fit_and_does_not_is_loaded_alone(
    two: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.loaded_models.fits", lambda settings: True)
    two.room = 1
    models = switch(two, "a", "b", engine="wan")
    models.load()
    assert two.events == ["+b", "-b", "+a"]


def test_a_job_that_runs_out_of_memory_beside_others_goes_on_alone(two: Machine) -> None:
    models = switch(two, "a", "b")
    models.load()
    two.short.add("a")
    made = generated(models, "a", slots=3)
    assert [each.slot.number for each in made] == [0, 1, 2]
    assert all(isinstance(each.outcome, Result) for each in made)
    assert two.events == ["+b", "+a", "-b"]


def test_alone_it_runs_out_of_memory_as_ever() -> None:
    machine = Machine(1)
    models = switch(machine, "a")
    models.load()
    engine: Any = models._members[0].engine
    failed = AssetError("out_of_memory", "Too little memory.", retryable=True)
    engine._script = lambda job, report: (FinishedSlot(slot, failed) for slot in job.slots)
    assert [each.outcome for each in generated(models, "a", slots=2)] == [failed, failed]


def test_a_model_that_cannot_be_used_is_said_and_the_others_are_offered(
    server: ProtocolServer, two: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    two.broken["b"] = "the weights 'b' cannot be used: they are of another kind"
    models = switch(two, "a", "b")
    server.jobs.append(job_body(model="a"))
    with working(server, models, models=models):
        wait_for(lambda: ended(server))
    first = leases(server)[0]
    assert [each["name"] for each in first["models"]] == ["a"]
    assert first["pools"] == ["sdxl_image_fast@a"]
    assert first["withdrawn"] == [{"pool": "sdxl_image_fast@b", "reason": two.broken["b"]}]
    assert "model_unusable" in capsys.readouterr().err


def test_a_model_that_could_not_be_used_is_tried_again_by_itself(
    server: ProtocolServer, two: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.loaded_models.pause_after", lambda pauses: 0.2)
    server.hold_s, two.broken["b"] = 0.1, "ComfyUI cannot be used: it is away"
    models, health = switch(two, "a", "b"), WorkerHealth()
    with working(server, models, health=health, models=models):
        wait_for(lambda: health.snapshot()[1]["withdrawn"] == {"sdxl_image_fast@b": two.broken["b"]})
        two.broken.clear()
        wait_for(lambda: any("sdxl_image_fast@b" in each["pools"] for each in leases(server)))
        wait_for(lambda: health.snapshot()[1]["withdrawn"] == {})
    names = [[each["name"] for each in lease["models"]] for lease in leases(server) if "models" in lease]
    assert names == [["a"], ["a", "b"]]
    assert "withdrawn" not in leases(server)[-1]
    assert two.events[:1] == ["+a"]
    assert "-a" not in two.events[:-1], "what is loaded stays while ComfyUI is asked"
    lines = capsys.readouterr().err.splitlines()
    assert any("model_unusable" in line and "again_in_s" in line for line in lines)
    assert sum("model_ready" in line for line in lines) == 2


def test_a_model_that_stays_broken_is_tried_less_and_less_often(
    two: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    two.broken["b"] = "b is broken"
    models = switch(two, "a", "b")
    models.load()
    waited = []
    for _ in range(10):
        assert not models.is_retry_due
        member = models._members[1]
        waited.append(member.again_at - now[0])
        now[0] = member.again_at
        models.retry()
    assert waited[:3] == [300, 600, 1200]
    assert waited[-1] == 4 * 3600
    two.broken.clear()
    now[0] = models._members[1].again_at
    models.retry()
    assert (models.is_retry_due, models.unusable) == (False, {})
    assert isinstance(generated(models, "b")[0].outcome, Result)


def test_an_error_that_nobody_expected_costs_the_others_nothing(
    two: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    two.broken["b"] = KeyError("down_blocks.7")
    models = switch(two, "a", "b")
    models.load()
    assert models.pools == ("sdxl_image_fast@a",)
    assert models.unusable == {"sdxl_image_fast@b": "KeyError: 'down_blocks.7'"}
    assert "test_model_switch.py" in capsys.readouterr().err, "the log says where"
    with pytest.raises(KeyError):
        switch(two, "b").load()


def test_an_engine_that_could_not_be_created_is_created_later(two: Machine) -> None:
    def create(settings: EngineSettings, model: ModelSettings) -> Engine:
        if reason := two.broken.get(model.name):
            raise EngineUnusable(str(reason))
        return two.create(settings, model)

    two.broken["b"] = "the engine needs what is not installed"
    models = ModelSwitch(
        EngineSettings(), tuple(ModelSettings(name=name, engine="comfy") for name in "ab"), create
    )
    models.load()
    assert "sdxl_image_fast@b" in models.unusable, "said although the entry names no job types"
    two.broken.clear()
    models._members[1].again_at = 0.0
    models.retry()
    assert "sdxl_image_fast@b" in models.pools


def test_after_an_error_a_model_that_is_gone_costs_the_others_nothing(two: Machine) -> None:
    models = switch(two, "a", "b")
    models.load()
    generated(models, "b")
    models.unload()
    two.broken["b"] = "the disk of b is gone"
    models.load()
    assert models.pools == ("sdxl_image_fast@a",)
    assert two.loaded == {"a"}


def test_a_worker_of_which_no_model_can_be_used_says_why(two: Machine) -> None:
    two.broken |= {"a": "a is broken", "b": "b is broken"}
    with pytest.raises(EngineUnusable, match="a is broken; b is broken"):
        switch(two, "a", "b").load()


def test_one_model_alone_is_refused_in_its_own_words(two: Machine) -> None:
    two.broken["a"] = "a is broken"
    with pytest.raises(EngineUnusable, match=r"^a is broken$"):
        switch(two, "a").load()


def test_a_model_that_breaks_later_fails_its_slots_and_withdraws_its_pool(
    server: ProtocolServer, two: Machine
) -> None:
    models = switch(two, "a", "b", "c")
    server.jobs += [job_body(model="c") | {"job_id": f"job-{number}"} for number in range(3)]
    models.load()
    two.broken["c"] = "the disk of c is gone"
    with working(server, models, models=models):
        wait_for(lambda: len(callbacks(server)) == 3)
        wait_for(lambda: "sdxl_image_fast@c" not in leases(server)[-1]["pools"])
    assert {error["code"] for error in errors(server)} == {"model_unusable"}
    assert "disk" not in errors(server)[0]["message"], "that is for the operator"
    *_, withdrawn = (lease["withdrawn"] for lease in leases(server) if lease.get("withdrawn"))
    assert withdrawn[0]["reason"].startswith("model_unusable: The worker cannot load")


def test_a_switch_is_seen_in_the_lease(server: ProtocolServer, two: Machine) -> None:
    models = switch(two, "a", "b", "c")
    server.jobs.append(job_body(model="c"))
    with working(server, models, models=models):
        wait_for(lambda: ended(server))
        wait_for(lambda: len(leases(server)) >= 2)
    first, second = leases(server)[:2]
    assert first["warm"] == ["sdxl_image_fast@a", "sdxl_image_fast@b"]
    assert second["warm"] == ["sdxl_image_fast@a", "sdxl_image_fast@c"]
    assert {beat.json["stage"] for beat in server.seen("/heartbeat")} <= {"starting", "loading", "generating"}


def test_a_stop_interrupts_the_loading_of_another_model_and_releases_the_job(
    server: ProtocolServer,
) -> None:
    """Pitfall 12. In a process of its own: a signal reaches the main thread alone."""
    server.jobs.append(job_body(model="slow"))
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_LOADING, server.url], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: any(beat.json["stage"] == "loading" for beat in server.seen("/heartbeat")))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - began < 10, "loading it takes a minute"
    assert process.returncode == 0, stderr
    assert server.seen("/release")


def test_a_stop_interrupts_another_try_of_a_model(server: ProtocolServer) -> None:
    server.hold_s = 0.1
    program = SLOW_LOADING.replace("runner.run()", SLOW_RETRY)
    process = subprocess.Popen([sys.executable, "-c", program, server.url], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    wait_for(lambda: "trying again" in process.stderr.readline())
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - began < 10, "loading it takes a minute"
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr


SLOW_RETRY = """
def pause(problem):
    print("trying again", file=sys.stderr, flush=True)
    time.sleep(60)

models.load()
models._members[1].problem = "away"
models._members[1].engine.load = lambda: pause("")
runner.run()
"""

SLOW_LOADING = """
import sys, time
from ourvidz_worker import process
from ourvidz_worker.client import Server
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.runner import Runner

class Slow(SketchEngine):
    loads = 0

    def load(self):
        self.loads += 1
        if self.loads > 1:
            time.sleep(60)

def create(settings, model):
    return Slow(model=model) if model.name == "slow" else SketchEngine(model=model)

names = ("quick", "slow")  # comfy: what fits beside it is not known
models = ModelSwitch(EngineSettings(), tuple(ModelSettings(name=n, engine="comfy") for n in names), create)
runner = Runner(Server(sys.argv[1], "ovw_test"), models, models=models)
process.stop_on_signals(runner.stop)
runner.run()
"""


def test_after_an_error_only_the_model_in_use_is_loaded_again(two: Machine) -> None:
    models = switch(two, "a", "b", "c")
    models.load()
    generated(models, "b")
    models.unload()
    two.events.clear()
    models.load()
    assert two.events == ["+b"]


def test_what_is_not_on_this_machine_may_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_memory.weight_bytes(EngineSettings(engine="sdxl", model="somebody/model")) is None
    assert model_memory.weight_bytes(EngineSettings(engine="sketch")) == 0
    assert model_memory.fits(EngineSettings(engine="sketch"))
    assert not model_memory.fits(EngineSettings(engine="comfy"))
    assert model_memory.free_main_memory() > 2**20
