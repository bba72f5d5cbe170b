"""Every URL of the site. The lease call and the sockets are routed in ourvidz.asgi."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.forms import AdminSignInForm
from ourvidz.views import favicon, healthz

handler400 = "ourvidz.unknown_addresses.bad_request"
handler500 = "ourvidz.views.server_error"
admin.site.login_form = AdminSignInForm
urlpatterns = [
    path("healthz", healthz),
    path("favicon.ico", favicon),
    # One page changes a user's own password.
    path("admin/password_change/", RedirectView.as_view(pattern_name="accounts:account")),
    path("admin/", admin.site.urls),
    path("api/", include("generation.api.docs_urls")),
    path("api/v1/worker/", include("generation.worker_api.urls")),
    path("api/v1/", include("generation.api.urls")),
    path("media/", include("generation.assets.urls")),
    path("library/", include("library.urls")),
    path("downloads/", include("downloads.urls")),
    path("", include("sharing.urls")),
    path("", include("accounts.urls")),
    path("", include("workspace.urls")),
]
