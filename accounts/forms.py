from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _style(self)


def password_form(user: User, data: Any = None) -> SetPasswordForm[User]:
    """Asks for the old password only where there is one."""
    kind = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    form: SetPasswordForm[User] = kind(user, data)
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    _style(form)
    return form


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=80,
        label="What is it for?",
        widget=forms.TextInput(
            attrs={"class": "input", "placeholder": "backup script", "autocomplete": "off"}
        ),
    )


def _style(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        field.widget.attrs["class"] = "input"
