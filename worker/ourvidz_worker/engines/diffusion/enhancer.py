"""Enhances prompts with a causal language model, within what a text encoder can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList

from ourvidz_worker.engines.base import ShouldStop
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.weights import translate_load_errors
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import Halted

INSTRUCTION = (
    "Rewrite the user's prompt for a {media} generator. Keep its subject and intent. Add concrete detail: "
    "setting, light, composition, colours, mood{motion}. One paragraph in English, no preamble, no quotes."
)
MAX_NEW_TOKENS = 200  # about 150 words; Wan was trained on prompts of 80 to 100
THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)  # of models that reason before they answer
CountTokens = Callable[[str], int]


class Enhancer:
    """Greedy decoding: the same prompt gives the same enhancement."""

    def __init__(self, settings: EngineSettings, placement: Placement) -> None:
        self._device = placement.device
        self._offloads = settings.offload != "none"
        source = {
            "pretrained_model_name_or_path": settings.enhancer,
            "local_files_only": not settings.allow_download,
        }
        with translate_load_errors(settings.enhancer, settings):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(**source)
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                dtype=placement.precision, use_safetensors=True, **source
            ).eval()
        self._has_system_role = self._supports_system_role(settings)
        if not self._offloads:
            self._model.to(self._device)

    def _supports_system_role(self, settings: EngineSettings) -> bool:
        """Whether the chat template has a system role; otherwise the instruction is put before the prompt."""
        if not self._tokenizer.chat_template:
            return False
        try:
            self._chat("instruction", "prompt", use_system_role=True)
        except TemplateError:
            with translate_load_errors(settings.enhancer, settings):
                self._chat("instruction", "prompt", use_system_role=False)
            return False
        return True

    def enhance(self, prompt: str, *, media: str, should_stop: ShouldStop) -> str:
        """Returns the enhanced prompt, or the prompt itself if the model generates nothing. Raises Halted."""
        input_ids = self._encode(prompt, media)
        try:
            self._model.to(self._device)
            with torch.inference_mode():
                output = self._model.generate(
                    input_ids.to(self._device),
                    attention_mask=torch.ones_like(input_ids).to(self._device),
                    max_new_tokens=MAX_NEW_TOKENS,
                    do_sample=False,
                    pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                    stopping_criteria=StoppingCriteriaList([_StopCriteria(should_stop)]),
                )
        finally:
            if self._offloads:
                self._model.to("cpu")
        if should_stop():
            raise Halted
        return self._decode(output[0, input_ids.shape[1] :]) or prompt

    def _decode(self, tokens: Any) -> str:
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True))
        text = printable(THINKING.sub("", text)).strip("\"'")
        return text if self._is_complete(tokens) else trim_unfinished(text)

    def _is_complete(self, tokens: Any) -> bool:
        """Whether the model ended its answer; otherwise the token limit cut it off."""
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return len(tokens) < MAX_NEW_TOKENS or int(tokens[-1]) in ends

    def _encode(self, prompt: str, media: str) -> Any:
        motion = ", and how it moves" if media == "video" else ""
        system = INSTRUCTION.format(media=media, motion=motion)
        if self._tokenizer.chat_template:
            text = self._chat(system, prompt, use_system_role=self._has_system_role)
            return self._tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
        text = f"{system}\nPrompt: {prompt}\nRewritten prompt:"
        return self._tokenizer(text, return_tensors="pt").input_ids

    def _chat(self, system: str, prompt: str, *, use_system_role: bool) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        if not use_system_role:
            messages = [{"role": "user", "content": f"{system}\n\n{prompt}"}]
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text


class _StopCriteria(StoppingCriteria):
    def __init__(self, should_stop: ShouldStop) -> None:
        self._should_stop = should_stop

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._should_stop(), device=input_ids.device)


def printable(text: str) -> str:
    """The text as one line, without control characters and undecodable bytes."""
    line = " ".join(text.replace("\N{REPLACEMENT CHARACTER}", "").split())
    return "".join(char for char in line if char.isprintable())


def count_tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text).input_ids)


def truncate_to_tokens(text: str, count: CountTokens, limit: int) -> str:
    """Truncates to whole words within `limit` tokens, to whole sentences if they are more than half of it."""
    if count(text) <= limit:
        return text
    words = text.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(" ".join(words[:middle])) <= limit else (low, middle - 1)
    return _trim_to_sentence(" ".join(words[:low]))


def trim_unfinished(text: str) -> str:
    """Removes the unfinished word of a text that was cut off, and the unfinished sentence if most is left."""
    return text if text.endswith((".", "!", "?")) else _trim_to_sentence(text.rpartition(" ")[0] or text)


def _trim_to_sentence(text: str) -> str:
    sentence, dot, _ = text.rpartition(". ")
    return f"{sentence}." if dot and len(sentence) > len(text) / 2 else text.rstrip(" ,;:")
