"""A stand-in of ComfyUI: its HTTP and WebSocket interface over real sockets, with faults to switch on.

Written from the published interface (version 0.3.64, and `/api/jobs` of later ones). Its nodes draw small
pictures that depend on all their inputs; queue, history and cache are in memory, as ComfyUI's are.
"""

from tests.worker.comfy_stand_in.faults import Faults
from tests.worker.comfy_stand_in.server import ComfyStandIn, comfy_stand_in

__all__ = ["ComfyStandIn", "Faults", "comfy_stand_in"]
