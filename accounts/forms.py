from __future__ import annotations

import uuid
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import (
    AdminUserCreationForm,
    AuthenticationForm,
    PasswordChangeForm,
    SetPasswordForm,
    UserChangeForm,
    UsernameField,
)

from accounts import throttle
from accounts.reauthentication import NEEDS_LINK, THROTTLED, TOO_OFTEN, check_own_password
from generation.access import fresh_sign_in
from generation.access.principals import session_principal
from generation.access.usernames import user_named, users_named_alike
from generation.core import audit_log
from generation.core.client_address import address_of
from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH
from generation.http.form_fields import PlainLineField
from generation.models import PersonalToken, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from accounts.signed_in import SignedInRequest


class ThrottledAuthenticationForm(AuthenticationForm):
    """Refuses throttled callers before it checks their password."""

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if self.request is None or not name:
            return super().clean()
        who = {"name": name, "address": address_of(self.request)}
        if not throttle.allow_attempt(**who):
            raise forms.ValidationError(TOO_OFTEN, code=THROTTLED)
        if (user := user_named(name)) is not None:
            self.cleaned_data["username"] = user.get_username()
        cleaned = super().clean()
        throttle.reset_after_success(**who)
        actor = session_principal(self.get_user())
        audit_log.after_commit("session.started", actor=actor, address=who["address"])
        return cleaned


class PlainUsernameField(PlainLineField, UsernameField):
    """Says of a control character which it is and where; Django only that the name is not valid."""


class OwnUsername:
    """A form whose user's name no other user's name may be alike."""

    instance: User
    initial: MutableMapping[str, Any]
    cleaned_data: dict[str, Any]

    def clean_username(self) -> str:
        name = str(self.cleaned_data["username"])
        # A user from before whose name is like another's keeps it.
        if name != self.initial.get("username") and set(users_named_alike(name)) - {self.instance.pk}:
            raise forms.ValidationError("A user of that name exists, perhaps in other letters.")
        return name


class AccountCreationForm(OwnUsername, AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta(AdminUserCreationForm.Meta):
        field_classes = {"username": PlainUsernameField}


class AccountChangeForm(OwnUsername, UserChangeForm):  # type: ignore[type-arg]
    class Meta(UserChangeForm.Meta):
        field_classes = {"username": PlainUsernameField}


class AdminSignInForm(ThrottledAuthenticationForm, AdminAuthenticationForm):
    pass


class SignInForm(ThrottledAuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _style(self)
        self.fields["username"].widget.attrs["dir"] = "auto"


class OwnPasswordField(forms.CharField):
    """The user's own password, asked for again."""

    def __init__(self) -> None:
        attrs = {"class": "input", "autocomplete": "current-password"}
        super().__init__(label="Your password", strip=False, widget=forms.PasswordInput(attrs=attrs))


class ConfirmForm(forms.Form):
    """Asks again who it is."""

    password = OwnPasswordField()

    def __init__(self, request: SignedInRequest, data: Any = None) -> None:
        super().__init__(data)
        self.request = request

    def clean_password(self) -> None:
        check_own_password(self.request, self.cleaned_data["password"])


class ChangePasswordForm(PasswordChangeForm):
    """Asks for the old password, as often as sign-in does."""

    def __init__(self, request: SignedInRequest, data: Any = None) -> None:
        super().__init__(request.user, data)
        self.request = request

    def clean_old_password(self) -> str:
        password = str(self.cleaned_data["old_password"])
        check_own_password(self.request, password)
        return password


class FirstPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """For who signed in by a link, just now."""

    def __init__(self, request: SignedInRequest, data: Any = None) -> None:
        super().__init__(request.user, data)
        self.request = request

    def clean(self) -> Any:
        if not fresh_sign_in.is_fresh(self.request.session):
            raise forms.ValidationError(NEEDS_LINK, code="stale")
        return super().clean()


PasswordForm = ChangePasswordForm | FirstPasswordForm


def password_form(request: SignedInRequest, data: Any = None) -> PasswordForm:
    """Asks for the old password where there is one, and whether tokens go too where there are any."""
    has_password = request.user.has_usable_password()
    form = (ChangePasswordForm if has_password else FirstPasswordForm)(request, data)
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    _style(form)
    if PersonalToken.objects.filter(owner=request.user, revoked_at=None).exists():
        form.fields["revoke_tokens"] = forms.BooleanField(
            label="Revoke my personal tokens too", required=False, initial=has_password
        )
    return form


class TokenForm(forms.Form):
    """Makes a token once: `token_id` is the form's, so that sending it again makes no second one."""

    token_id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    name = PlainLineField(
        max_length=NAME_LENGTH,
        label="What is it for?",
        widget=forms.TextInput(
            attrs={"class": "input", "placeholder": "backup script", "autocomplete": "off"}
        ),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        initial=[Scope.READ, Scope.SUBMIT],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose what it may do."},
    )
    days = forms.TypedChoiceField(
        label="It ends after", coerce=int, widget=forms.Select(attrs={"class": "select"})
    )
    password = OwnPasswordField()

    def __init__(self, request: SignedInRequest, data: Any = None) -> None:
        super().__init__(data)
        self.request = request
        self.is_stale = not fresh_sign_in.is_fresh(request.session)
        self.fields["token_id"].initial = new_id
        days: Any = self.fields["days"]
        longest = settings.TOKEN_DAYS
        choices = [*(each for each in (30, 90, 365) if each < longest), longest]
        days.choices, days.initial = [(each, f"{each} days") for each in choices], choices[-1]
        if not (self.is_stale and request.user.has_usable_password()):
            del self.fields["password"]

    def clean_password(self) -> None:
        check_own_password(self.request, self.cleaned_data["password"])

    def clean(self) -> dict[str, Any]:
        if self.is_stale and "password" not in self.fields:
            raise forms.ValidationError(NEEDS_LINK, code="stale")
        return self.cleaned_data

    @property
    def token(self) -> dict[str, Any]:
        """What `issue_personal_token` is given."""
        given = {name: self.cleaned_data[name] for name in ("name", "scopes", "days")}
        token_id: uuid.UUID | None = self.cleaned_data.get("token_id")
        return {**given, "token_id": token_id}


def is_throttled(form: forms.BaseForm) -> bool:
    return any(error.code == THROTTLED for errors in form.errors.as_data().values() for error in errors)


def _style(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        field.widget.attrs["class"] = "input"
