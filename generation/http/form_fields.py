"""Form fields for text from people."""

from __future__ import annotations

from typing import Any

from django import forms

from generation.core.text import control_error, plain_line, plain_text


class PlainTextField(forms.CharField):
    """Text with plain ends of lines and spaces; a control character is refused by its place."""

    def to_python(self, value: Any) -> str:
        text = self.plain(super().to_python(value) or "")
        if error := control_error(text):
            raise forms.ValidationError(error, code="control_character")
        return text

    def plain(self, text: str) -> str:
        return plain_text(text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """The direction of writing follows the text."""
        return {**super().widget_attrs(widget), "dir": "auto"}


class PlainLineField(PlainTextField):
    """One line of such text, with single spaces."""

    def plain(self, text: str) -> str:
        return plain_line(text)
