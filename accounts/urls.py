from __future__ import annotations

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-in/once/<uidb64>/<token>/", views.sign_in_once, name="sign-in-once"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("account/", views.account, name="account"),
    path("account/password", views.set_password, name="password"),
    path("account/tokens", views.create_token, name="create-token"),
    path("account/tokens/<uuid:token_id>/revoke", views.revoke_token, name="revoke-token"),
]
