"""The HTTP interface of a ComfyUI. Nothing that comes from there is trusted: not its size, not its form."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import httpx

from ourvidz_worker.engines.base import ShouldStop
from ourvidz_worker.errors import Halted

MAX_JSON_BYTES = 16 * 2**20
MAX_OBJECT_INFO_BYTES = 128 * 2**20  # of installations with hundreds of nodes it has 20 MiB
MAX_FILE_BYTES = 2**30
MAX_TEXT = 20_000  # characters of what ComfyUI says
TIMEOUT = httpx.Timeout(60.0, connect=5.0)  # a prompt is answered once all its nodes were looked at
QUICK_TIMEOUT = httpx.Timeout(10.0, connect=5.0)  # what is asked of a prompt that runs
MAX_RESPONSE_S = 120.0
MAX_FILE_S = 900.0
FAILURES = ("error", "failed", "cancelled")
FAILURE_MESSAGES = {"execution_error", "execution_interrupted"}


class ComfyAway(Exception):
    """There was no response, or none that a ComfyUI gives."""


class ComfyRefusal(Exception):
    """A response that refuses the request, with its status and its JSON object, if it has one."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"ComfyUI answered {status}")
        self.status = status
        self.body = body


class TooLarge(Exception):
    """A file of more bytes than are allowed."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a node saved, as ComfyUI names it."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended a prompt. `exception` and `message` are empty where it was interrupted."""

    node: str
    node_type: str
    exception: str
    message: str
    is_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class PromptState:
    """Of a prompt: whether it waits, runs, has ended, or is not known.

    `ahead`: how many prompts wait or run before it. `outputs`: what its nodes say that they made, by node.
    """

    is_known: bool = False
    has_ended: bool = False
    is_running: bool = False
    ahead: int = 0
    outputs: Mapping[str, Any] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    failure: Failure | None = None


class ComfyClient:
    """Goes to no proxy and follows no redirect: `url` is on this machine or in its network."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tls = ssl.create_default_context() if url.startswith("https:") else None
        self._has_jobs = False
        self._http = httpx.Client(
            base_url=url,
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT,
            verify=self.tls if self.tls else True,
        )

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        """Asks what this ComfyUI is and can do. Raises ComfyAway, ComfyRefusal."""
        system = _table(self._get("/system_stats").get("system"))
        if "comfyui_version" not in system and "python_version" not in system:
            raise ComfyAway(f"{self.url} is no ComfyUI: its /system_stats says nothing of one")
        try:
            self._has_jobs = isinstance(self._get("/api/jobs?limit=1").get("jobs"), list)
        except (ComfyRefusal, ComfyAway):  # before October 2025
            self._has_jobs = False
        return _text(system.get("comfyui_version")) or "unknown"

    def device(self) -> str:
        devices = self._get("/system_stats").get("devices")
        first = _table(devices[0]) if isinstance(devices, list) and devices else {}
        return _text(first.get("name"))

    def object_info(self) -> Mapping[str, Any]:
        """The node classes by name, with their inputs."""
        return self._get("/object_info", MAX_OBJECT_INFO_BYTES)

    def upload(self, name: str, subfolder: str, png: bytes) -> str:
        """Puts a picture into the folder of inputs; returns what a node that loads images calls it."""
        fields = {"subfolder": subfolder, "type": "input", "overwrite": "true"}
        answer = self._json("POST", "/upload/image", files={"image": (name, png, "image/png")}, data=fields)
        stored, folder = _text(answer.get("name")), _text(answer.get("subfolder"))
        if not stored:
            raise ComfyAway("ComfyUI's answer to an upload names no file")
        return f"{folder}/{stored}" if folder else stored

    def submit(self, prompt: Mapping[str, Any], prompt_id: str, client_id: str) -> Mapping[str, Any]:
        """Queues a prompt; returns the errors by node that did not prevent it. Raises ComfyRefusal."""
        body = {"prompt": prompt, "prompt_id": prompt_id, "client_id": client_id}
        answer = self._json("POST", "/prompt", json=body)
        if answer.get("prompt_id") != prompt_id:  # it is an older one, or something else
            raise ComfyAway("ComfyUI did not take the prompt under the id that it was given")
        return _table(answer.get("node_errors"))

    def state(self, prompt_id: str) -> PromptState:
        return self._job(prompt_id) if self._has_jobs else self._from_history(prompt_id)

    def cancel(self, prompt_id: str) -> None:
        """Ends this prompt and no other. Older versions interrupt whatever runs: hence the look before it."""
        self._send("POST", "/queue", json={"delete": [prompt_id]})
        if prompt_id in _prompt_ids(self._get("/queue").get("queue_running")):
            self._send("POST", "/interrupt", json={"prompt_id": prompt_id})

    def free(self, *, unload_models: bool) -> None:
        """Empties the cache of results, and the memory of models."""
        self._send("POST", "/free", json={"unload_models": unload_models, "free_memory": True})

    def file(self, file: OutputFile, max_bytes: int, should_stop: ShouldStop) -> bytes:
        """Raises TooLarge, Halted."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        return self._send("GET", "/view", max_bytes, MAX_FILE_S, should_stop, params=query)

    def _job(self, prompt_id: str) -> PromptState:
        try:
            job = self._get(f"/api/jobs/{quote(prompt_id)}")
        except ComfyRefusal as refusal:
            if refusal.status != 404:
                raise
            if "error" in refusal.body:
                return PromptState()
            self._has_jobs = False  # no such address: since it was loaded, an older version was started
            return self._from_history(prompt_id)
        status = job.get("status")
        if status in ("pending", "in_progress"):
            return PromptState(is_known=True, is_running=status == "in_progress")
        return _ended(job.get("outputs"), _table(job.get("execution_status")), status)

    def _from_history(self, prompt_id: str) -> PromptState:
        """A prompt that ends between the two questions is found by the third."""
        if ended := self._history(prompt_id):
            return ended
        queue = self._get("/queue")
        running, waiting = (_prompt_ids(queue.get(name)) for name in ("queue_running", "queue_pending"))
        if prompt_id in running:
            return PromptState(is_known=True, is_running=True)
        if prompt_id in waiting:
            return PromptState(is_known=True, ahead=len(running) + waiting.index(prompt_id))
        return self._history(prompt_id) or PromptState()

    def _history(self, prompt_id: str) -> PromptState | None:
        entry = self._get(f"/history/{quote(prompt_id)}").get(prompt_id)
        if not isinstance(entry, dict):
            return None
        status = _table(entry.get("status"))
        return _ended(entry.get("outputs"), status, status.get("status_str"))

    def _get(self, path: str, max_bytes: int = MAX_JSON_BYTES) -> Mapping[str, Any]:
        timeout = QUICK_TIMEOUT if max_bytes == MAX_JSON_BYTES else TIMEOUT
        return self._json("GET", path, max_bytes, timeout=timeout)

    def _json(
        self, method: str, path: str, max_bytes: int = MAX_JSON_BYTES, **request: Any
    ) -> Mapping[str, Any]:
        try:
            content = self._send(method, path, max_bytes, **request)
        except TooLarge as error:
            raise ComfyAway(f"ComfyUI's answer to {path} has over {max_bytes} bytes") from error
        body = _parse(content)
        if body is None:
            raise ComfyAway(f"the answer to {path} is not one that a ComfyUI gives")
        return body

    def _send(
        self,
        method: str,
        path: str,
        max_bytes: int = MAX_JSON_BYTES,
        max_s: float = MAX_RESPONSE_S,
        should_stop: ShouldStop = lambda: False,
        **request: Any,
    ) -> bytes:
        deadline = time.monotonic() + max_s
        with _as_away(), self._http.stream(method, path, **request) as response:
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > max_bytes:
                    raise TooLarge
                if should_stop():
                    raise Halted
                if time.monotonic() > deadline:
                    raise ComfyAway(f"ComfyUI's answer took over {max_s:.0f} s")
        if response.is_success:
            return bytes(content)
        if response.has_redirect_location:
            raise ComfyAway(f"{self.url} answers with a redirect, which is not followed")
        if response.status_code >= 500:
            raise ComfyAway(f"ComfyUI answered {response.status_code} to {path}")
        raise ComfyRefusal(response.status_code, _parse(bytes(content)) or {})


@contextmanager
def _as_away() -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise ComfyAway(f"no connection to ComfyUI ({error})") from error
    except (httpx.RequestError, httpx.DecodingError) as error:
        raise ComfyAway(f"no answer from ComfyUI ({type(error).__name__})") from error


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _ended(outputs: Any, status: Mapping[str, Any], ending: Any) -> PromptState:
    messages = dict(_messages(status.get("messages")))
    is_failure = ending in FAILURES or bool(FAILURE_MESSAGES & messages.keys())
    cached = messages.get("execution_cached", {}).get("nodes")
    return PromptState(
        is_known=True,
        has_ended=True,
        outputs=_table(outputs),
        cached=frozenset(map(str, cached)) if isinstance(cached, list) else frozenset(),
        failure=_failure(messages) if is_failure else None,
    )


def _messages(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], dict):
            yield str(entry[0]), entry[1]


def _failure(messages: Mapping[str, Mapping[str, Any]]) -> Failure:
    is_interrupted = "execution_interrupted" in messages
    data = messages.get("execution_interrupted" if is_interrupted else "execution_error", {})
    return Failure(
        _text(data.get("node_id")),
        _text(data.get("node_type")),
        _text(data.get("exception_type")),
        _text(data.get("exception_message")),
        is_interrupted,
    )


def _prompt_ids(entries: Any) -> list[str]:
    """Those of a part of the queue, in the order they will run: lists with number and id first."""
    rows = [entry for entry in entries if isinstance(entry, list)] if isinstance(entries, list) else []
    known = [row for row in rows if len(row) > 1 and isinstance(row[0], int | float)]
    return [str(row[1]) for row in sorted(known, key=itemgetter(0))]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return " ".join(str(value).split())[:MAX_TEXT] if isinstance(value, str | int | float) else ""
