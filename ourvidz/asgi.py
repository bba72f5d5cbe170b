"""What daphne serves: Django, the lease call's long poll beside it, and the pages' sockets."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ourvidz.settings")

from ourvidz.handler import application as django_application

django_app = django_application()

# These import models, which need the set-up above.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from generation.worker_api.long_poll import EmbeddingsLongPoll, LeaseLongPoll  # noqa: E402
from library.consumers import LibraryConsumer  # noqa: E402
from ourvidz.admission import BodyAdmission  # noqa: E402
from ourvidz.origins import SameOriginSockets  # noqa: E402
from ourvidz.request_limits import RequestLimits  # noqa: E402
from ourvidz.request_limits.handshakes import HandshakeLimits  # noqa: E402
from workspace.consumers import WorkspaceConsumer  # noqa: E402

# Imports the layer's client: at the first hint, on the serving loop, that took so long that it was lost.
get_channel_layer()
sockets = URLRouter(
    [
        path("ws/workspace/", WorkspaceConsumer.as_asgi()),
        path("ws/library/", LibraryConsumer.as_asgi()),
        re_path("", WebsocketDenier.as_asgi()),
    ]
)
everything = RequestLimits(django_app)
# The stubs of path() know views only; Channels routes to any ASGI application.
lease_call: Any = LeaseLongPoll(everything)
embeddings_call: Any = EmbeddingsLongPoll(everything)
other: Any = everything
routed = URLRouter(
    [
        path("api/v1/worker/lease", lease_call),
        path("api/v1/worker/embeddings/lease", embeddings_call),
        re_path("", other),
    ]
)
http = BodyAdmission(routed, django=everything)
websocket = SameOriginSockets(HandshakeLimits(AuthMiddlewareStack(sockets), everything))
application = ProtocolTypeRouter({"http": http, "websocket": websocket})
