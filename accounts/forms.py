from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm

from accounts import throttle
from generation.core.client_address import address_of
from generation.core.limits import NAME_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import User


THROTTLED = "throttled"
TOO_OFTEN = "Too many attempts. Wait ten minutes, then try again."


class ThrottledAuthenticationForm(AuthenticationForm):
    """Refuses throttled callers before it checks their password."""

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if self.request is None or not name:
            return super().clean()
        who = {"name": name, "address": address_of(self.request)}
        if not throttle.allow_attempt(**who):
            raise forms.ValidationError(TOO_OFTEN, code=THROTTLED)
        cleaned = super().clean()
        throttle.reset_after_success(**who)
        return cleaned


class AdminSignInForm(ThrottledAuthenticationForm, AdminAuthenticationForm):
    pass


class SignInForm(ThrottledAuthenticationForm):
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
        max_length=NAME_LENGTH,
        label="What is it for?",
        widget=forms.TextInput(
            attrs={"class": "input", "placeholder": "backup script", "autocomplete": "off"}
        ),
    )


def _style(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        field.widget.attrs["class"] = "input"
