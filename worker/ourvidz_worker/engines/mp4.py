"""Films: H.264 in MP4, with a text that says how they were made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from ourvidz_worker.engines.base import Pixels


def mp4(frames: Iterable[Pixels], *, width: int, height: int, fps: int, comment: str = "") -> bytes:
    """Encodes frame by frame; one encoder thread, so that the same frames give the same film.

    The format wants even sizes: an odd last row or column is cut off. The file is written to
    disk because moving its index to the front means reading it again.
    """
    import av
    from av.video.stream import VideoStream

    even = (width - width % 2, height - height % 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            if comment:
                container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=fps)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = even
            stream.pix_fmt = "yuv420p"
            stream.time_base = Fraction(1, fps)
            stream.options = {"preset": "veryfast", "crf": "20", "threads": "1"}
            for pixels in frames:
                cut = pixels[: even[1], : even[0]]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            container.mux(stream.encode(None))
        return path.read_bytes()
