"""What is made of a language model's words before they are a prompt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ourvidz_worker.engines.diffusion.enhancer import MAX_NEW_TOKENS, Enhancer, trim_unfinished
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A lighthouse above the sea. Waves crash against the cl", "A lighthouse above the sea."),
        (
            "A lighthouse above the sea, waves crash on the cl",
            "A lighthouse above the sea, waves crash on the",
        ),
        ("A. Then a very long sentence without its en", "A. Then a very long sentence without its"),
        ("A lighthouse above the sea.", "A lighthouse above the sea."),
        ("lighthouse", "lighthouse"),
    ],
)
def test_what_was_cut_off_ends_with_a_whole_word(text: str, kept: str) -> None:
    assert trim_unfinished(text) == kept


@pytest.fixture
def enhancer(models: Path) -> Enhancer:
    make = Make(engine="wan", model=str(models / "wan"), enhancer=str(models / "words"))
    made: Enhancer = make.engine.enhancer
    return made


def read(enhancer: Any, said: str, tokens: list[int], monkeypatch: pytest.MonkeyPatch) -> str:
    """As if the model had said this with these tokens."""
    monkeypatch.setattr(type(enhancer._tokenizer), "decode", lambda *_, **__: said)
    text: str = enhancer._decode(tokens)
    return text


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        ("<think>\nThe user wants light.\n</think>\n\nA lighthouse.", "A lighthouse."),
        ("<think>\nThe user wants", ""),
        ('"A lighthouse."', "A lighthouse."),
    ],
)
def test_thoughts_and_quotes_are_no_prompt(
    enhancer: Enhancer, monkeypatch: pytest.MonkeyPatch, said: str, prompt: str
) -> None:
    assert read(enhancer, said, [1], monkeypatch) == prompt


def test_only_what_the_limit_cut_off_is_cut_back(enhancer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said, end = "A lighthouse. Waves crash", enhancer._model.generation_config.eos_token_id
    full = [end + 1] * MAX_NEW_TOKENS
    assert read(enhancer, said, full, monkeypatch) == "A lighthouse."
    assert read(enhancer, said, [*full[1:], end], monkeypatch) == said
    assert read(enhancer, said, full[1:], monkeypatch) == said


EACH, END = "{% for each in messages %}", "{% endfor %}"
REFUSES = "{% if each.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"


@pytest.mark.parametrize(
    ("template", "begins"),
    [
        (f"{EACH}{REFUSES}{{{{ each.content }}}}{END}", "Rewrite"),
        (f"{EACH}{{{{ each.role }}}} {END}", "system"),
    ],
)
def test_a_chat_without_a_system_is_asked_in_one_message(
    models: Path, tmp_path: Path, template: str, begins: str
) -> None:
    """Every enhanced job failed, and was offered all the same."""
    words = shutil.copytree(models / "words", tmp_path / "words")
    (words / "chat_template.jinja").write_text(template)
    enhancer: Any = Make(engine="wan", model=str(models / "wan"), enhancer=str(words)).engine.enhancer
    assert enhancer._chat("Rewrite", "prompt", use_system_role=enhancer._has_system_role).startswith(begins)
    assert enhancer.enhance("a lighthouse", media="video", should_stop=bool)


def test_a_chat_that_cannot_be_is_refused_at_the_start(models: Path, tmp_path: Path) -> None:
    words = shutil.copytree(models / "words", tmp_path / "words")
    (words / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    with pytest.raises(EngineUnusable, match=r"cannot be used.*never"):
        Make(engine="wan", model=str(models / "wan"), enhancer=str(words))
