"""Users and groups in the admin: Django's, except that changing one asks who it is, and that deleting a user
deletes everything the user has.
"""

from __future__ import annotations

import time
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts import sessions
from accounts.deletion import delete_account
from accounts.forms import AccountChangeForm, AccountCreationForm
from accounts.models import SignInLink
from generation.access import tokens
from generation.access.fresh_sign_in import redirect_to_confirm
from generation.access.models import hide_models_of
from generation.access.principals import operator_principal
from generation.access.usernames import users_with_name_containing
from generation.core import audit_log
from generation.core.actors import Actor
from generation.jobs.owner_deletion import owner_totals
from generation.models import PersonalToken

# One request may take so long; more is left to the next one, or to the command.
WORK_SECONDS = 2.0

admin.site.unregister([User, Group])


class AsksForPassword(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whose pages of one record ask who it is: what is changed there would outlive a stolen session."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        asked = redirect_to_confirm(request)
        return asked or super().changeform_view(request, object_id, form_url, extra_context)


@admin.register(Group)
class RightsAdmin(AsksForPassword, GroupAdmin):
    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        self._hide_models(request, [obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        self._hide_models(request, list(queryset))
        super().delete_queryset(request, queryset)

    def _hide_models(self, request: HttpRequest, groups: list[Group]) -> None:
        if names := hide_models_of(groups):
            told = f"Hidden, as nobody is left who may use them: the models {', '.join(names)}."
            self.message_user(request, told, messages.WARNING)


@admin.register(User)
class AccountAdmin(AsksForPassword, UserAdmin):  # type: ignore[type-arg]
    form = AccountChangeForm
    add_form = AccountCreationForm
    actions = ["delete_accounts", "end_access"]

    class Media:
        css = {"all": ["generation/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Finds user names whatever their case; Django's search, on SQLite, those in ASCII alone."""
        found, repeats = super().get_search_results(request, queryset, search_term)
        if search_term.strip():
            found |= queryset.filter(pk__in=users_with_name_containing(search_term.strip()))
        return found, repeats

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own deletion, which fails for users with rows."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Delete selected accounts with all that is in them", permissions=["delete"])
    def delete_accounts(self, request: HttpRequest, users: QuerySet[User]) -> HttpResponse | None:
        return self._confirm_or_delete(request, list(users.order_by("username")))

    @admin.action(description="Sign out everywhere and revoke personal tokens", permissions=["change"])
    def end_access(self, request: HttpRequest, users: QuerySet[User]) -> None:
        actor, chosen = operator_principal(cast("User", request.user)), list(users)
        for user in chosen:
            sessions.end_sessions(user_id=user.pk, actor=actor)
            SignInLink.objects.filter(pk=user.pk).delete()
        tokens.revoke(PersonalToken.objects.filter(owner__in=chosen), actor=actor)
        for user in chosen:
            self.log_change(request, user, "Signed out everywhere, tokens revoked.")
        self.message_user(request, f"{len(chosen)} signed out.", messages.SUCCESS)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        return redirect_to_confirm(request) or super().user_change_password(request, id, form_url)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        """Passwords, rights and the end of a deactivated user's sessions are in the audit log too."""
        actor = operator_principal(cast("User", request.user))
        audit_log.after_commit("user.changed", actor=actor, user=obj.pk)
        return super().log_change(request, obj, message)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page behind the button "Delete" of one user."""
        user = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        return self._confirm_or_delete(request, [user]) or redirect("admin:auth_user_changelist")

    def _confirm_or_delete(self, request: HttpRequest, users: list[User]) -> HttpResponse | None:
        if asked := redirect_to_confirm(request):
            return asked
        if refusal := _refusal(request.user, users):
            self.message_user(request, refusal, messages.ERROR)
            return None
        if request.method == "POST" and "confirmed" in request.POST:
            self._delete(request, users)
            return None
        context = self.admin_site.each_context(request) | {
            "title": "Delete accounts",
            "opts": self.opts,
            "accounts": [(user, owner_totals(user.pk)) for user in users],
            "action": request.POST.get("action"),
        }
        return TemplateResponse(request, "accounts/delete_accounts.html", context)

    def _delete(self, request: HttpRequest, users: list[User]) -> None:
        self.log_deletions(request, User.objects.filter(pk__in=[user.pk for user in users]))
        ends = time.monotonic() + WORK_SECONDS
        for user in users:
            if _delete_until(ends, user, operator_principal(cast("User", request.user))):
                self.message_user(request, f"“{user}” is deleted with all that was in it.", messages.SUCCESS)
                continue
            text = (
                f"“{user}” is signed out for good, and {owner_totals(user.pk).jobs} jobs are left. To go on, "
                f"delete the account again, or run: manage.py delete_account {user.get_username()}"
            )
            self.message_user(request, text, messages.WARNING)


def _refusal(operator: Any, users: list[User]) -> str:
    if operator in users:
        return "You cannot delete the account that you are signed in with."
    if not operator.is_superuser and any(user.is_superuser for user in users):
        return "Only a superuser deletes a superuser's account."
    return ""


def _delete_until(ends: float, user: User, operator: Actor) -> bool:
    """Whether the account is deleted completely; its user's access is revoked in any case."""
    return all(time.monotonic() <= ends for _ in delete_account(user, actor=operator))
