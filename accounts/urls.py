from __future__ import annotations

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    # Any path: links of earlier releases had two parts, and have ended.
    path("sign-in/once/<path:token>/", views.sign_in_once, name="sign-in-once"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("account/", views.account, name="account"),
    path("account/confirm", views.confirm, name="confirm"),
    path("account/password", views.set_password, name="password"),
    path("account/sessions/end-others", views.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<uuid:session_id>/end", views.end_session, name="end-session"),
    path("account/tokens", views.create_token, name="create-token"),
    path("account/tokens/<uuid:token_id>/revoke", views.revoke_token, name="revoke-token"),
]
