from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from generation.access.projects import BadProjectName, default_project, owned_projects, project_named
from generation.models import Project
from tests.acting import create_project
from tests.factories import make_user


def test_the_default_project_is_made_when_first_needed(owner: User) -> None:
    project = default_project(owner.pk)
    assert (project.name, project.is_default) == ("General", True)
    assert default_project(owner.pk) == project


def test_a_project_of_the_defaults_name_becomes_the_default(owner: User) -> None:
    """Every submission failed for who had made one called General before the first job."""
    mine = create_project(owner_id=owner.pk, name="General")
    assert default_project(owner.pk) == mine
    assert owned_projects(owner.pk).get().is_default


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\0b", "a\x1bb"])
def test_a_name_that_cannot_be_used_is_refused(owner: User, name: str) -> None:
    with pytest.raises(BadProjectName):
        create_project(owner_id=owner.pk, name=name)
    assert not Project.objects.exists()


def test_a_name_is_once_for_each_owner(owner: User) -> None:
    create_project(owner_id=owner.pk, name=" Sea   side ")
    with pytest.raises(BadProjectName):
        create_project(owner_id=owner.pk, name="Sea side")
    assert create_project(owner_id=make_user().pk, name="Sea side").name == "Sea side"


@pytest.mark.parametrize(
    ("one", "other"),
    [("Roads", "roads"), ("Москва", "МОСКВА"), ("Café", "Cafe\u0301"), ("Sea side", "sea\u2028\xa0side")],
)
def test_a_name_is_the_same_in_other_letters(owner: User, one: str, other: str) -> None:
    project = create_project(owner_id=owner.pk, name=one)
    with pytest.raises(BadProjectName, match="already have"):
        create_project(owner_id=owner.pk, name=other)
    assert project_named(owner.pk, other) == project
    assert create_project(owner_id=make_user().pk, name=other).name != one


def test_a_project_of_the_defaults_name_in_other_letters_becomes_the_default(owner: User) -> None:
    mine = create_project(owner_id=owner.pk, name="GENERAL")
    assert default_project(owner.pk) == mine


def test_a_refused_name_is_refused_with_the_character_and_its_place(owner: User) -> None:
    with pytest.raises(BadProjectName, match=r"U\+001B at line 1, column 3"):
        create_project(owner_id=owner.pk, name=" ab\x1b")


def test_the_default_comes_first_then_by_name(owner: User) -> None:
    for name in ("Zoo", "Ants"):
        create_project(owner_id=owner.pk, name=name)
    default_project(owner.pk)
    default_project(make_user().pk)
    assert [project.name for project in owned_projects(owner.pk)] == ["General", "Ants", "Zoo"]
