from __future__ import annotations

from django.urls import path

from library.grouping_cards import SORTS
from library.views import (
    actions,
    bulk,
    compare,
    groupings,
    importing,
    operations,
    pages,
    parts,
    searches,
)

app_name = "library"
urlpatterns = [
    path("", pages.home, name="home"),
    path("trash/", pages.trash, name="trash"),
    path("compare", compare.compare, name="compare"),
    path("import/", importing.import_files, name="import"),
    path("parts", parts.parts, name="parts"),
    path("ids", parts.ids, name="ids"),
    path("discard", actions.discard, name="discard"),
    path("restore", actions.restore, name="restore"),
    path("favourite", actions.favourite, name="favourite"),
    path("unfavourite", actions.unfavourite, name="unfavourite"),
    path("rate", bulk.rate, name="rate-many"),
    path("add-tag", bulk.add_tag, name="add-tag"),
    path("remove-tag", bulk.remove_tag, name="remove-tag"),
    path("add-to-collection", bulk.add_collection, name="add-collection"),
    path("remove-from-collection", bulk.remove_collection, name="remove-collection"),
    path("move", bulk.move, name="move"),
    path("trash/delete", bulk.delete, name="delete"),
    path("trash/empty", bulk.empty_trash, name="empty-trash"),
    path("operations/<uuid:operation_id>/cancel", operations.cancel, name="cancel-operation"),
    path("operations/<uuid:operation_id>/undo", operations.undo, name="undo-operation"),
    path("operations/<uuid:operation_id>/dismiss", operations.dismiss, name="dismiss-operation"),
    path("searches/save", searches.save, name="save-search"),
    path("searches/<uuid:search_id>/rename", searches.rename, name="rename-search"),
    path("searches/<uuid:search_id>/delete", searches.delete, name="delete-search"),
    path("<str:media>/<uuid:asset_id>/", pages.asset, name="asset"),
    path("<str:media>/<uuid:asset_id>/rate", actions.rate, name="rate"),
    path("<str:media>/<uuid:asset_id>/title", actions.title, name="title"),
]
for sort in SORTS.values():
    one, named = f"{sort.plural}/<uuid:group_id>", {"sort": sort.name}
    urlpatterns += [
        path(f"{sort.plural}/", groupings.index, named, name=sort.plural),
        path(f"{sort.plural}/create", groupings.create, named, name=f"create-{sort.name}"),
        path(f"{sort.plural}/names", groupings.names, named, name=f"{sort.name}-names"),
        path(f"{one}/edit", groupings.edit, named, name=f"{sort.name}-edit"),
        path(f"{one}/rename", groupings.rename, named, name=f"{sort.name}-rename"),
        path(f"{one}/merge", groupings.merge, named, name=f"{sort.name}-merge"),
        path(f"{one}/delete", groupings.delete, named, name=f"{sort.name}-delete"),
    ]
    if sort.name != "project":  # that comes back by the undo of its operation
        urlpatterns.append(path(f"{one}/undelete", groupings.undelete, named, name=f"{sort.name}-undelete"))
