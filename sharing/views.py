"""The pages of share links: the owner's list of them, and what whoever has a link sees."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generation.access.principals import principal_of
from generation.assets.delivery import shared_response
from generation.core.errors import NotFound
from generation.core.keyset import BadCursor, newest_by_id
from generation.http.page_requests import owner_id_of
from generation.models import Asset
from sharing import links
from sharing.links import DAYS, BadShare, Shared
from sharing.models import ShareLink

P = ParamSpec("P")
PAGE = 50


# The owner's


@never_cache
@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The caller's links, newest first; with `asset` or `collection` in the query, a form for a new one."""
    shared = _shared(request.GET.get("asset", ""), request.GET.get("collection", ""))
    try:
        asset = links.check_shareable(owner_id_of(request), shared) if shared else None
        found, following = newest_by_id(
            links.links_of(owner_id_of(request)), request.GET.get("cursor", ""), PAGE
        )
    except (NotFound, BadCursor) as missing:
        raise Http404 from missing
    rows = [(link, request.build_absolute_uri(_public_url(link))) for link in found]
    context = {"links": rows, "next_cursor": following, "shared": shared, "asset": asset, "days": DAYS}
    return render(request, "sharing/index.html", context)


@never_cache
@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    shared = _shared(request.POST.get("asset", ""), request.POST.get("collection", ""))
    days = request.POST.get("days", "")
    try:
        if shared is None:
            raise NotFound("asset")
        link = links.create_link(
            owner_id=owner_id_of(request),
            actor=principal_of(request),
            shared=shared,
            days=int(days) if days in map(str, DAYS) else 0,
            with_parameters=request.POST.get("with_parameters") == "1",
        )
    except NotFound as missing:
        raise Http404 from missing
    except BadShare as refused:
        messages.error(request, refused.message)
        return redirect("sharing:index")
    messages.success(request, "The link is ready.", extra_tags=_revoke_url(link))
    return redirect(f"{reverse('sharing:index')}#link-{link.pk}")


@never_cache
@login_required
@require_POST
def revoke(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    try:
        links.revoke_link(owner_id=owner_id_of(request), actor=principal_of(request), link_id=link_id)
    except NotFound as missing:
        raise Http404 from missing
    undo = reverse("sharing:restore", args=[link_id])
    messages.success(request, "The link has ended.", extra_tags=undo)
    return redirect("sharing:index")


@never_cache
@login_required
@require_POST
def restore(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    try:
        links.restore_link(owner_id=owner_id_of(request), actor=principal_of(request), link_id=link_id)
    except NotFound as missing:
        raise Http404 from missing
    except BadShare as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "The link works again.")
    return redirect("sharing:index")


def _shared(asset: str, collection: str) -> Shared | None:
    """What the fields name; None if nothing, or not one thing. Raises Http404 for what is no id."""
    if bool(asset) == bool(collection):
        return None
    try:
        return Shared(
            asset_id=uuid.UUID(asset) if asset else None,
            collection_id=uuid.UUID(collection) if collection else None,
        )
    except ValueError as malformed:
        raise Http404 from malformed


def _revoke_url(link: ShareLink) -> str:
    return reverse("sharing:revoke", args=[link.pk])


def _public_url(link: ShareLink) -> str:
    return reverse("sharing:public", args=[links.token_of(link)])


# Whoever has a link


def public(
    view: Callable[Concatenate[HttpRequest, ShareLink, P], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A page for whoever has the link: found by no search, and named to no other site."""

    @wraps(view)
    def checked(request: HttpRequest, token: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            response = view(request, links.find_link(token), *args, **kwargs)
        except NotFound:
            response = render(request, "sharing/ended.html", status=404)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return require_safe(checked)


@public
@never_cache
def share(request: HttpRequest, link: ShareLink) -> HttpResponse:
    try:
        page = links.shared_assets(link, request.GET.get("cursor", ""))
    except BadCursor as malformed:
        raise Http404 from malformed
    if link.asset_id and not page.assets:  # discarded meanwhile
        raise NotFound("link")
    if request.method == "GET" and "cursor" not in request.GET:
        links.count_view(link)
    if link.asset_id:
        return _one(request, link, page.assets[0])
    context = {
        "title": link.collection.name if link.collection else "",
        "assets": [(asset, _urls(request, asset)) for asset in page.assets],
        "next_cursor": page.next_cursor,
    }
    return render(request, "sharing/collection.html", context)


@public
@never_cache
def share_asset(request: HttpRequest, link: ShareLink, asset_id: uuid.UUID) -> HttpResponse:
    return _one(request, link, _found(link, asset_id))


def _one(request: HttpRequest, link: ShareLink, asset: Asset) -> HttpResponse:
    context = {"asset": asset, "urls": _urls(request, asset), "link": link}
    return render(request, "sharing/asset.html", context)


@public
def share_file(request: HttpRequest, link: ShareLink, asset_id: uuid.UUID) -> HttpResponseBase:
    asset, with_parameters = _found(link, asset_id), link.with_parameters
    return shared_response(request, asset, thumbnail=False, with_parameters=with_parameters)


@public
def share_thumbnail(request: HttpRequest, link: ShareLink, asset_id: uuid.UUID) -> HttpResponseBase:
    return shared_response(request, _found(link, asset_id), thumbnail=True, with_parameters=False)


def _found(link: ShareLink, asset_id: uuid.UUID) -> Asset:
    asset = links.find_shared_asset(link, asset_id)
    if asset is None:
        raise NotFound("asset")
    return asset


def _urls(request: HttpRequest, asset: Asset) -> dict[str, str]:
    assert request.resolver_match is not None
    token = request.resolver_match.kwargs["token"]
    names = {"page": "public-asset", "file": "public-file", "thumbnail": "public-thumbnail"}
    urls = {key: reverse(f"sharing:{name}", args=[token, asset.pk]) for key, name in names.items()}
    return urls | {"all": reverse("sharing:public", args=[token])}
