"""Icons are drawn once a page and referred to, also by what is pushed to it later."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client
from lucide.templatetags.lucide import lucide

from ourvidz.templatetags.icons import ICONS, UnknownIconError, icon, icon_sprite
from tests.factories import complete, make_job, make_user

ROOT = Path(__file__).resolve().parents[2]
BASE_CSS = ROOT / "static/css/base.css"
TAG = re.compile(r'\{% icon "([^"]+)"')


def test_the_sprite_holds_every_icon_that_a_template_names_and_no_other() -> None:
    templates = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("*/templates/**/*.html")]
    named = {name for path in templates for name in TAG.findall(path.read_text())}
    assert named == set(ICONS)


def test_each_icon_is_drawn_as_lucide_draws_it() -> None:
    sprite = icon_sprite()
    download = lucide("download")
    for part in re.findall(r"<(?:path|line|polyline|circle|rect)[^>]*>", download):
        assert part.replace(" /", "/") in sprite
    drawn = BASE_CSS.read_text().partition("  .icon {")[2].partition("}")[0]
    for name, value in re.findall(r'(stroke[a-z-]*)="([^"]+)"', download):
        assert f"{name}: {value};" in drawn
    assert sprite.count("<symbol") == len(ICONS)


def test_an_icon_that_the_sprite_does_not_hold_is_an_error() -> None:
    with pytest.raises(UnknownIconError):
        icon("rocket")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/library/", "/library/trash/", "/account/", "/nothing-here"])
def test_every_page_holds_the_symbols_that_it_refers_to(path: str) -> None:
    owner = make_user("ada")
    complete(make_job(owner, quantity=3))
    client = Client()
    client.force_login(owner)
    page = client.get(path).content.decode()
    referred = set(re.findall(r'<use href="#([^"]+)"', page))
    assert referred
    assert all(page.count(f'<symbol id="{name}"') == 1 for name in referred)
    assert page.count("<path") == icon_sprite().count("<path"), "no icon is drawn where it is used"


@pytest.mark.django_db
def test_a_page_of_nobody_has_the_sprite_too() -> None:
    assert b'<symbol id="icon-x"' in Client().get("/sign-in/").content
