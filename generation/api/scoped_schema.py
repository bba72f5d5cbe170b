"""The OpenAPI of an operation, with the scope that it needs; a module of its own for REST_FRAMEWORK."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema


class ScopedSchema(AutoSchema):
    """Names the scope that a personal token needs for an operation, in its description and for programs."""

    @property
    def _scope(self) -> str:
        required = getattr(self.view, "required_scopes", {})
        return str(required.get(self.method, ""))

    def get_description(self) -> str:  # type: ignore[override] # drf-spectacular takes no arguments
        text = super().get_description() or ""
        return f"{text}\n\nScope of a personal token: `{self._scope}`." if self._scope else text

    def get_extensions(self) -> dict[str, Any]:
        extensions = dict(super().get_extensions() or {})
        return {**extensions, "x-required-scope": self._scope} if self._scope else extensions
