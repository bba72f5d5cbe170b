"""Signing in and out, and a user's own password and tokens. Every page here is private to its user."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import sign_in_links, token_display
from accounts.forms import THROTTLED, SignInForm, TokenForm, password_form
from accounts.signed_in import SignedInRequest
from generation.access import quotas
from generation.access.principals import principal_of
from generation.access.tokens import issue_personal_token, revoke_personal_token
from generation.changes.library_totals import library_totals
from generation.models import PersonalToken

SET_ONE = "Welcome. You have no password yet: set one under Account, or signing in again takes a new link."


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        if form.has_error(NON_FIELD_ERRORS, THROTTLED):
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return answer


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_once(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """The link's page only offers a button: link previews and prefetching must not spend it."""
    if request.method == "POST":
        user = sign_in_links.use(uidb64, token)
        if user:
            if request.user != user:
                logout(request)  # login() would end that session too, but tell nobody
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            if not user.has_usable_password():
                messages.info(request, SET_ONE)
            return redirect("workspace:home")
    elif user := sign_in_links.find_user(uidb64, token):
        return render(request, "accounts/sign_in_once.html", {"who": user})
    return render(request, "accounts/sign_in_once.html", status=410)


@never_cache
@login_required
def account(request: SignedInRequest) -> HttpResponse:
    token = token_display.token_from_cookie(request)
    page = _account(request, new_token=token)
    if token:
        token_display.delete_cookie(page)
    return page


@never_cache
@login_required
@require_POST
def set_password(request: SignedInRequest) -> HttpResponse:
    form = password_form(request.user, request.POST)
    if not form.is_valid():
        return _account(request, status=422, password=form)
    form.save()
    update_session_auth_hash(request, form.user)
    messages.success(request, "Your password is set.")
    return redirect("accounts:account")


@never_cache
@login_required
@require_POST
def create_token(request: SignedInRequest) -> HttpResponse:
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account(request, status=422, token=form)
    name = form.cleaned_data["name"]
    token_text = issue_personal_token(owner_id=request.user.pk, actor=principal_of(request), name=name)
    answer = redirect("accounts:account")
    token_display.set_cookie(answer, user=request.user, token=token_text)
    return answer


@never_cache
@login_required
@require_POST
def revoke_token(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    actor = principal_of(request)
    if not revoke_personal_token(owner_id=request.user.pk, actor=actor, token_id=token_id):
        raise Http404
    messages.success(request, "The token is revoked. What used it is signed out.")
    return redirect("accounts:account")


def _account(request: SignedInRequest, *, status: int = 200, **forms: object) -> HttpResponse:
    live = PersonalToken.objects.filter(owner=request.user, revoked_at=None).order_by("-id")
    context = {"password": password_form(request.user), "token": TokenForm(), "tokens": live} | forms
    limit = quotas.limits_of(request.user.pk).storage_bytes
    context["storage"] = {"used": library_totals(request.user.pk).stored_bytes, "limit": limit}
    return render(request, "accounts/account.html", context, status=status)
