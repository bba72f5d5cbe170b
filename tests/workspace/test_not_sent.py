"""A composer that is sent without a session: what was typed is not lost without a word."""

from __future__ import annotations

from django.test import Client

from generation.models import Job

TYPED = {
    "prompt": "</textarea><script>alert(1)</script> a fox",
    "negative_prompt": "fog",
    "media": "image",
    "quality": "high",
    "seed": "0",
    "new_project": "Harbour",
    "review": "on",
}


def test_a_plain_form_gets_its_texts_back(client: Client, db: None) -> None:
    """Pitfall 38. The sign-in page came, and after it a page without what was typed."""
    answer = client.post("/workspace/submit", TYPED)
    html = answer.content.decode()
    assert answer.status_code == 403
    assert "no-store" in answer["Cache-Control"]
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt; a fox</textarea>" in html
    assert "fog</textarea>" in html
    for setting in (
        "Quality: <bdi>high",
        "Seed: <bdi>0",
        "New project: <bdi>Harbour",
        "Review first: <bdi>on",
    ):
        assert setting in html
    assert 'href="/sign-in/"' in html
    assert not Job.objects.exists()


def test_a_script_is_told_that_nobody_is_signed_in(client: Client, db: None) -> None:
    answer = client.post("/workspace/submit", TYPED, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "message": "You are signed out, so this was not sent."}


def test_it_asks_for_the_forms_token_like_any_other() -> None:
    """Else another site could have this page show its words."""
    answer = Client(enforce_csrf_checks=True).post("/workspace/submit", TYPED)
    assert answer.status_code == 403
    assert "a fox" not in answer.content.decode()
