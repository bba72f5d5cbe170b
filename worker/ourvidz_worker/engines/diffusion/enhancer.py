"""Richer prompts by a causal language model, within what a text encoder can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList

from ourvidz_worker.engines.base import ShouldStop
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.weights import loading
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import Halted

INSTRUCTION = (
    "Rewrite the user's prompt for a {media} generator. Keep its subject and intent. Add concrete detail: "
    "setting, light, composition, colours, mood{motion}. One paragraph in English, no preamble, no quotes."
)
NEW_TOKENS = 200  # about 150 words; Wan was trained on prompts of 80 to 100
THOUGHTS = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)  # of models that reason before they answer
TokenCount = Callable[[str], int]


class Enhancer:
    """Greedy decoding: the same prompt gives the same enhancement."""

    def __init__(self, settings: EngineSettings, placement: Placement) -> None:
        self._device = placement.device
        self._moves = settings.offload != "none"
        where = {
            "pretrained_model_name_or_path": settings.enhancer,
            "local_files_only": not settings.allow_download,
        }
        with loading(settings.enhancer, settings):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(**where)
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                dtype=placement.precision, use_safetensors=True, **where
            ).eval()
        self._takes_system = self._takes_system_role(settings)
        if not self._moves:
            self._model.to(self._device)

    def _takes_system_role(self, settings: EngineSettings) -> bool:
        """Some chats have none: then what is asked stands in front of the prompt."""
        if not self._tokenizer.chat_template:
            return False
        try:
            self._chat("instruction", "prompt", takes_system=True)
        except TemplateError:
            with loading(settings.enhancer, settings):
                self._chat("instruction", "prompt", takes_system=False)
            return False
        return True

    def enhance(self, prompt: str, *, media: str, should_stop: ShouldStop) -> str:
        """The prompt itself when the model says nothing. Raises Halted."""
        given = self._encoded(prompt, media)
        try:
            self._model.to(self._device)
            with torch.inference_mode():
                said = self._model.generate(
                    given.to(self._device),
                    attention_mask=torch.ones_like(given).to(self._device),
                    max_new_tokens=NEW_TOKENS,
                    do_sample=False,
                    pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                    stopping_criteria=StoppingCriteriaList([_Stop(should_stop)]),
                )
        finally:
            if self._moves:
                self._model.to("cpu")
        if should_stop():
            raise Halted
        return self._read(said[0, given.shape[1] :]) or prompt

    def _read(self, tokens: Any) -> str:
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True))
        text = printable(THOUGHTS.sub("", text)).strip("\"'")
        return text if self._ends(tokens) else whole(text)

    def _ends(self, tokens: Any) -> bool:
        """Whether it said that this is all; else it was cut off."""
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return len(tokens) < NEW_TOKENS or int(tokens[-1]) in ends

    def _encoded(self, prompt: str, media: str) -> Any:
        motion = ", and how it moves" if media == "video" else ""
        system = INSTRUCTION.format(media=media, motion=motion)
        if self._tokenizer.chat_template:
            text = self._chat(system, prompt, takes_system=self._takes_system)
            return self._tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
        text = f"{system}\nPrompt: {prompt}\nRewritten prompt:"
        return self._tokenizer(text, return_tensors="pt").input_ids

    def _chat(self, system: str, prompt: str, *, takes_system: bool) -> str:
        asked = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        if not takes_system:
            asked = [{"role": "user", "content": f"{system}\n\n{prompt}"}]
        text: str = self._tokenizer.apply_chat_template(
            asked, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text


class _Stop(StoppingCriteria):
    def __init__(self, should_stop: ShouldStop) -> None:
        self._should_stop = should_stop

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._should_stop(), device=input_ids.device)


def printable(text: str) -> str:
    """One line, without what a model may stammer: control characters and halves of letters."""
    line = " ".join(text.replace("\N{REPLACEMENT CHARACTER}", "").split())
    return "".join(char for char in line if char.isprintable())


def token_count(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text).input_ids)


def fitted(text: str, count: TokenCount, limit: int) -> str:
    """Whole words from the start that take at most `limit` tokens; whole sentences if they are most of it."""
    if count(text) <= limit:
        return text
    words = text.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(" ".join(words[:middle])) <= limit else (low, middle - 1)
    return _tidy(" ".join(words[:low]))


def whole(text: str) -> str:
    """Of a text that was cut off somewhere: without the word and, if most is left, the sentence that is not
    whole.
    """
    return text if text.endswith((".", "!", "?")) else _tidy(text.rpartition(" ")[0] or text)


def _tidy(cut: str) -> str:
    sentence, dot, _ = cut.rpartition(". ")
    return f"{sentence}." if dot and len(sentence) > len(cut) / 2 else cut.rstrip(" ,;:")
