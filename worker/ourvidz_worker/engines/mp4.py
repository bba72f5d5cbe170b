"""Writes MP4 files with H.264 video, the generation parameters as their comment, and how they were made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from ourvidz_worker.engines import xmp
from ourvidz_worker.engines.base import Pixels

BT_709 = 1  # the code of its primaries, its transfer function and its matrix (ITU-T H.273)
# With several threads, or the macroblock tree on processors with AVX-512, x264 gives other bytes each time.
DETERMINISTIC = {"threads": "1", "x264-params": "no-mbtree=1"}


def mp4(
    frames: Iterable[Pixels], *, width: int, height: int, fps: int, comment: str = "", trained: bool = True
) -> bytes:
    """The same frames give the same bytes. An odd last row or column is cut off: the format needs even sizes.

    The colours are tagged as BT.709: without a tag players guess by the height, and some show another green.
    The file is written to disk, because moving the index to the front reads it again. `trained` as of `png`.
    """
    import av
    from av.video.reformatter import ColorRange
    from av.video.stream import VideoStream

    even_size = (width - width % 2, height - height % 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            if comment:
                container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=fps)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = even_size
            stream.pix_fmt = "yuv420p"
            stream.time_base = Fraction(1, fps)
            stream.options = {"preset": "veryfast", "crf": "20", **DETERMINISTIC}
            codec = stream.codec_context
            codec.colorspace = codec.color_primaries = codec.color_trc = BT_709
            codec.color_range = ColorRange.MPEG
            for pixels in frames:
                frame = av.VideoFrame.from_ndarray(pixels[: even_size[1], : even_size[0]], format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=BT_709)))
            container.mux(stream.encode(None))
        return path.read_bytes() + xmp.mp4_box(trained=trained)
