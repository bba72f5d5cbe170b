"""The queue of the stand-in: validation, one prompt at a time, its cache, its history."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from typing import Any

import numpy as np
from PIL import Image

from tests.worker.comfy_stand_in import nodes
from tests.worker.comfy_stand_in.faults import Faults
from tests.worker.comfy_stand_in.validation import validated

Send = Callable[[str, Any], None]
"""Sends to a client, by its id, text as a table or binary as bytes."""


class Interrupted(Exception):
    pass


class PromptQueue:
    """`files` are those that nodes saved, by type, folder and name; `pictures` those that were uploaded."""

    def __init__(self, faults: Faults, send: Send, supports_metadata: Callable[[str], bool]) -> None:
        self.faults = faults
        self._send = send
        self._supports_metadata = supports_metadata
        self.models = ["film.safetensors"]
        self.pictures: dict[str, bytes] = {"example.png": b""}
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self.submitted: list[dict[str, Any]] = []
        self.interrupted: list[str] = []
        self.deleted: list[str] = []
        self.freed: list[dict[str, Any]] = []
        self.changed = Condition()
        self.pending: list[dict[str, Any]] = []
        self.running: dict[str, Any] | None = None
        self._interrupts = False
        self._cache: dict[str, tuple[str, Any]] = {}  # by node: the signature and the value
        self._is_closed = False
        self._count = 0
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with self.changed:
            self._is_closed = True
            self.pending.clear()
            self._interrupts = True
            self.changed.notify_all()
        self._thread.join(10)

    def forget(self) -> None:
        """As a restart does: queue, history and cache are in memory."""
        with self.changed:
            self.pending.clear()
            self._interrupts = True
            self.changed.wait_for(lambda: self.running is None, 10)
            self.history.clear()
            self._cache.clear()

    def classes(self) -> dict[str, dict[str, Any]]:
        return nodes.classes(list(self.models), list(self.pictures))

    def put(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        prompt, prompt_id = body["prompt"], body["prompt_id"]
        errors, error = validated(prompt, self.classes())
        if error:
            return 400, {"error": error, "node_errors": errors}
        with self.changed:
            self._count += 1
            item = {"id": prompt_id, "number": self._count, "prompt": prompt, "client": body["client_id"]}
            self.submitted.append(item)
            self.pending.append(item)
            self.changed.notify_all()
        return 200, {"prompt_id": prompt_id, "number": self._count, "node_errors": errors}

    def interrupt(self, prompt_id: str) -> None:
        with self.changed:
            self.interrupted.append(prompt_id)
            is_meant = self.running is not None and prompt_id in ("", self.running["id"])
            self._interrupts = self._interrupts or is_meant or self.faults.interrupts_anything

    def delete(self, prompt_ids: list[str]) -> None:
        with self.changed:
            self.deleted += [item["id"] for item in self.pending if item["id"] in prompt_ids]
            self.pending = [item for item in self.pending if item["id"] not in prompt_ids]

    def free(self, body: dict[str, Any]) -> None:
        with self.changed:
            self.freed.append(body)
            if body.get("free_memory"):
                self._cache.clear()

    def queue(self) -> dict[str, Any]:
        with self.changed:
            running = [self.running] if self.running else []
            return {
                "queue_running": [_row(item) for item in running],
                "queue_pending": [_row(item) for item in self.pending],
            }

    def job(self, prompt_id: str) -> dict[str, Any] | None:
        """As `/api/jobs/{id}` says it."""
        if entry := self.history.get(prompt_id):
            status, names = entry["status"], {name for name, _ in entry["status"]["messages"]}
            is_failed = "cancelled" if "execution_interrupted" in names else "failed"
            ending = "completed" if status["status_str"] == "success" else is_failed
            return {
                "id": prompt_id,
                "status": ending,
                "outputs": entry["outputs"],
                "execution_status": status,
            }
        with self.changed:
            if self.running and self.running["id"] == prompt_id:
                return {"id": prompt_id, "status": "in_progress"}
            if any(item["id"] == prompt_id for item in self.pending):
                return {"id": prompt_id, "status": "pending"}
        return None

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.pending or self._is_closed)
                if self._is_closed:
                    return
                self.running = self.pending.pop(0)
                self._interrupts = False
            entry = self._execute(self.running)
            with self.changed:
                if not self._is_closed:
                    self.history[self.running["id"]] = entry
                item, self.running = self.running, None
                self.changed.notify_all()
            self._tell(item, "executing", node=None)

    def _execute(self, item: dict[str, Any]) -> dict[str, Any]:
        prompt, known = item["prompt"], self.classes()
        signatures = {name: _signature(name, prompt) for name in prompt}
        cached = [name for name, text in signatures.items() if self._cache.get(name, ("",))[0] == text]
        messages: list[Any] = [["execution_start", {"prompt_id": item["id"]}]]
        messages.append(["execution_cached", {"nodes": cached, "prompt_id": item["id"]}])
        for name, data in messages:
            self._tell(item, name, **data)
        outputs: dict[str, Any] = {}
        current = ""
        try:
            for current in [
                name for name, node in prompt.items() if known[node["class_type"]]["output_node"]
            ]:
                made = self._evaluate(current, item, signatures)
                if not (current in cached and self.faults.forgets_cached_outputs):
                    outputs[current] = made
                    self._tell(item, "executed", node=current, output=made)
            messages.append(["execution_success", {"prompt_id": item["id"]}])
        except Interrupted as stopped:
            data = {
                "prompt_id": item["id"],
                "node_id": str(stopped),
                "node_type": _class(str(stopped), prompt),
            }
            messages.append(["execution_interrupted", data])
        except NodeFailed as failed:
            messages.append(["execution_error", {"prompt_id": item["id"], **failed.data}])
        self._tell(item, messages[-1][0], **messages[-1][1])
        is_good = messages[-1][0] == "execution_success"
        status = {"status_str": "success" if is_good else "error", "completed": is_good, "messages": messages}
        return {"prompt": _row(item), "outputs": outputs, "status": status}

    def _evaluate(self, name: str, item: dict[str, Any], signatures: Mapping[str, str]) -> Any:
        kept = self._cache.get(name)
        if kept is not None and kept[0] == signatures[name]:
            return kept[1]
        node = item["prompt"][name]
        inputs = {
            key: self._evaluate(value[0], item, signatures) if isinstance(value, list) else value
            for key, value in node["inputs"].items()
        }
        self._stop_if_interrupted(name)
        self._tell(item, "executing", node=name)
        if failure := self.faults.raises.get(node["class_type"]):
            raise NodeFailed(name, node["class_type"], *failure)
        value = self._run(name, node["class_type"], inputs, item)
        self._cache[name] = (signatures[name], value)
        return value

    def _run(self, name: str, kind: str, inputs: dict[str, Any], item: dict[str, Any]) -> Any:
        if kind == "KSampler":

            def on_step(step: int, steps: int, pixels: Any) -> None:
                self._stop_if_interrupted(name)
                time.sleep(self.faults.step_s)
                self._tell(item, "progress", node=name, value=step, max=steps)
                self._preview(item, name, pixels)

            return nodes.sample(inputs, on_step)
        if kind == "LoadImage":
            with Image.open(io.BytesIO(self.pictures[inputs["image"]])) as picture:
                return picture.convert("RGB")
        if kind == "CreateVideo":
            return _film(inputs)
        if kind.startswith("Save") or kind == "VideoCombine":
            return self._save(kind, inputs, item)
        simple = {"CheckpointLoaderSimple": "ckpt_name", "CLIPTextEncode": "text", "VAEDecode": "samples"}
        return inputs[simple[kind]] if kind in simple else inputs

    def _save(self, kind: str, inputs: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
        if kind in self.faults.outputs:
            return dict(self.faults.outputs[kind])
        if kind == "SaveAudio":
            return {"audio": [{"filename": "sound.flac", "subfolder": "", "type": "output"}]}
        if kind in ("SaveVideo", "VideoCombine"):
            frames, fps = inputs["video"]
            saved = self._kept("mp4", nodes.mp4_file(frames, fps, item["prompt"]))
            if kind == "VideoCombine":
                return {"gifs": [{**saved, "format": "video/h264-mp4", "frame_rate": fps}]}
            return {"images": [saved], "animated": [True]}
        if kind == "SaveAnimatedWEBP":
            return {"images": [self._kept("webp", nodes.webp_file(inputs["images"]))], "animated": [True]}
        return {
            "images": [self._kept("png", nodes.png_file(each, item["prompt"])) for each in inputs["images"]]
        }

    def _kept(self, suffix: str, content: bytes) -> dict[str, str]:
        name = f"film_{len(self.files) + 1:05}_.{suffix}"
        self.files["output", "stand-in", name] = content
        return {"filename": name, "subfolder": "stand-in", "type": "output"}

    def _stop_if_interrupted(self, node: str) -> None:
        if self._interrupts:
            raise Interrupted(node)

    def _tell(self, item: dict[str, Any], kind: str, **data: Any) -> None:
        self._send(item["client"], {"type": kind, "data": {"prompt_id": item["id"], **data}})

    def _preview(self, item: dict[str, Any], node: str, pixels: Any) -> None:
        file = io.BytesIO()
        Image.fromarray(pixels).resize((64, 64)).save(file, "JPEG")
        if self.faults.has_metadata_previews and self._supports_metadata(item["client"]):
            text = json.dumps({"prompt_id": item["id"], "node_id": node, "image_type": "image/jpeg"}).encode()
            self._send(item["client"], struct.pack(">II", 4, len(text)) + text + file.getvalue())
        else:
            self._send(item["client"], struct.pack(">II", 1, 1) + file.getvalue())


class NodeFailed(Exception):
    def __init__(self, node: str, kind: str, exception: str, message: str) -> None:
        super().__init__(message)
        self.data = {
            "node_id": node,
            "node_type": kind,
            "exception_type": exception,
            "exception_message": message,
            "traceback": ["secret traceback"],
        }


def _film(inputs: dict[str, Any]) -> tuple[list[Any], float]:
    """The start frame, if there is one, then the others."""
    images = list(inputs["images"])
    if "start" in inputs:
        height, width = images[0].shape[:2]
        images[0] = np.asarray(inputs["start"].resize((width, height)))
    return images, inputs["fps"]


def _row(item: dict[str, Any]) -> list[Any]:
    return [item["number"], item["id"], item["prompt"], {"client_id": item["client"]}, []]


def _class(name: str, prompt: dict[str, Any]) -> str:
    return str(prompt.get(name, {}).get("class_type", ""))


def _signature(name: str, prompt: dict[str, Any]) -> str:
    node = prompt[name]
    inputs = {
        key: [_signature(value[0], prompt), value[1]] if isinstance(value, list) else value
        for key, value in node["inputs"].items()
    }
    return json.dumps([node["class_type"], inputs], sort_keys=True)
