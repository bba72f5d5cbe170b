"""Films: H.264 in MP4, with a text that says how they were made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from ourvidz_worker.engines.base import Pixels

BT_709 = 1  # the number of its primaries, its transfer and its matrix alike (ITU-T H.273)
# Of x264: several threads, and its macroblock tree on processors with AVX-512, give other bytes each time.
REPEATABLE = {"threads": "1", "x264-params": "no-mbtree=1"}


def mp4(frames: Iterable[Pixels], *, width: int, height: int, fps: int, comment: str = "") -> bytes:
    """The same frames give the same bytes. An odd last row or column is cut off: the format wants even sizes.

    The colours are BT.709 and the file says so: players that are not told guess by the height, and some
    show another green. Written to disk, because moving the index to the front means reading the file again.
    """
    import av
    from av.video.reformatter import ColorRange
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
            stream.options = {"preset": "veryfast", "crf": "20", **REPEATABLE}
            coding = stream.codec_context
            coding.colorspace = coding.color_primaries = coding.color_trc = BT_709
            coding.color_range = ColorRange.MPEG
            for pixels in frames:
                frame = av.VideoFrame.from_ndarray(pixels[: even[1], : even[0]], format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=BT_709)))
            container.mux(stream.encode(None))
        return path.read_bytes()
