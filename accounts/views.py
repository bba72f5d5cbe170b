"""Signing in and out, and a user's own password, sessions and tokens. Each page is private to its user."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import sessions, sign_in_links
from accounts.forms import ConfirmForm, SignInForm, TokenForm, is_throttled, password_form
from accounts.signed_in import SignedInRequest
from generation.access import fresh_sign_in, quotas, tokens
from generation.access.principals import principal_of
from generation.changes.library_totals import library_totals
from generation.core import audit_log
from generation.models import PersonalToken

SET_ONE = "You have no password yet: set one under Account within ten minutes, else it takes a new link."


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        if is_throttled(form):
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return answer


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_once(request: HttpRequest, token: str) -> HttpResponse:
    """The link's page only offers a button: link previews and prefetching must not spend it."""
    answer = _use_link(request, token) if request.method == "POST" else _show_link(request, token)
    # Neither other sites nor a proxy's log of our own files is told the link.
    answer["Referrer-Policy"] = "strict-origin"
    return answer


def _show_link(request: HttpRequest, token: str) -> HttpResponse:
    user = sign_in_links.find_user(token)
    status = HTTPStatus.OK if user else HTTPStatus.GONE
    return render(request, "accounts/sign_in_once.html", {"who": user}, status=status)


def _use_link(request: HttpRequest, token: str) -> HttpResponse:
    user = sign_in_links.use(token)
    if user is None:
        return _show_link(request, token)
    if request.user != user:
        logout(request)  # login() would end that session too, but tell nobody
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    if not user.has_usable_password():
        messages.info(request, SET_ONE)
    return redirect("workspace:home")


@never_cache
@login_required
def account(request: SignedInRequest) -> HttpResponse:
    return _account(request)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: SignedInRequest) -> HttpResponse:
    """Asks for the password again, unless the sign-in is fresh, then goes on to `next`."""
    wanted = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        wanted = settings.LOGIN_REDIRECT_URL
    form = ConfirmForm(request, request.POST if request.method == "POST" else None)
    if form.is_valid() or (not form.is_bound and fresh_sign_in.is_fresh(request.session)):
        return redirect(wanted)
    return render(request, "accounts/confirm.html", {"form": form}, status=_status_of(form))


@never_cache
@login_required
@require_POST
def set_password(request: SignedInRequest) -> HttpResponse:
    form = password_form(request, request.POST)
    if not form.is_valid():
        return _account(request, status=_status_of(form), password=form)
    with transaction.atomic():
        form.save()  # ends every session of the user: accounts.session_events
        if form.cleaned_data.get("revoke_tokens"):
            tokens.revoke(PersonalToken.objects.filter(owner=request.user), actor=principal_of(request))
        update_session_auth_hash(request, form.user)
        audit_log.after_commit("password.changed", actor=principal_of(request), owner=request.user.pk)
    messages.success(request, "Your password is set. Your other browsers are signed out.")
    return redirect("accounts:account")


@never_cache
@login_required
@require_POST
def create_token(request: SignedInRequest) -> HttpResponse:
    """The answer itself shows the token: no redirect carries it, and no cache keeps it."""
    form = TokenForm(request, request.POST)
    if not form.is_valid():
        return _account(request, status=_status_of(form), token=form)
    try:
        token = tokens.issue_personal_token(
            owner_id=request.user.pk, actor=principal_of(request), **form.token
        )
    except tokens.TokenExists as exists:  # a reload sent the form again
        return _account(request, status=HTTPStatus.CONFLICT, refusal=exists.message)
    except tokens.TooManyTokens as too_many:
        return _account(request, status=HTTPStatus.CONFLICT, refusal=too_many.message, token=form)
    return _account(request, new_token=token)


@never_cache
@login_required
@require_POST
def revoke_token(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    actor = principal_of(request)
    if not tokens.revoke_personal_token(owner_id=request.user.pk, actor=actor, token_id=token_id):
        raise Http404
    messages.success(request, "The token is revoked. What used it is signed out.")
    return redirect("accounts:account")


@never_cache
@login_required
@require_POST
def end_session(request: SignedInRequest, session_id: uuid.UUID) -> HttpResponse:
    actor = principal_of(request)
    if not sessions.end_session(user_id=request.user.pk, actor=actor, session_id=session_id):
        raise Http404
    messages.success(request, "That browser is signed out.")
    return redirect("accounts:account")


@never_cache
@login_required
@require_POST
def end_other_sessions(request: SignedInRequest) -> HttpResponse:
    own = request.session.session_key
    ended = sessions.end_sessions(user_id=request.user.pk, actor=principal_of(request), but=own)
    messages.success(request, f"{ended} other sign-in{'s' * (ended != 1)} ended. Only this one is left.")
    return redirect("accounts:account")


def _status_of(form: forms.BaseForm) -> int:
    if not form.is_bound:
        return HTTPStatus.OK
    return HTTPStatus.TOO_MANY_REQUESTS if is_throttled(form) else HTTPStatus.UNPROCESSABLE_ENTITY


def _account(request: SignedInRequest, *, status: int = 200, **more: object) -> HttpResponse:
    sessions.record_use(request)  # so that this one is in the list
    limit = quotas.limits_of(request.user.pk).storage_bytes
    context = {
        "password": password_form(request),
        "token": TokenForm(request),
        "is_fresh": fresh_sign_in.is_fresh(request.session),
        "tokens": PersonalToken.objects.filter(owner=request.user, revoked_at=None).order_by("-id"),
        "sessions": sessions.live_sessions(request.user.pk),
        "storage": {"used": library_totals(request.user.pk).stored_bytes, "limit": limit},
        "own_key": request.session.session_key,
    }
    return render(request, "accounts/account.html", context | more, status=status)
