"""What a file says of how it was made: read by other programs, with the picture as it was."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.media.parameters.reading import read_parameters
from ourvidz_worker.engines import xmp
from ourvidz_worker.engines.mp4 import mp4
from ourvidz_worker.engines.png import png

PIXELS = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
FOREIGN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a fox"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def film() -> bytes:
    return mp4([PIXELS] * 4, width=64, height=48, fps=16, comment="a fox")


def saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind, **options)
    return out.getvalue()


def transparent_webp(**options: Any) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(PIXELS).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(out, "WEBP", **options)
    return out.getvalue()


def png_with_text() -> bytes:
    text = PngInfo()
    text.add_text("parameters", "a fox\nSteps: 15, Seed: 3")
    return saved("PNG", pnginfo=text)


def png_with_xmp() -> bytes:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", FOREIGN.decode())
    return saved("PNG", pnginfo=text)


def plain_film() -> bytes:
    whole = film()
    return whole[: -len(xmp.mp4_box(trained=True))]


def packet_of(media: bytes) -> bytes:
    """Of an image as Pillow reads it, of a film as FFmpeg does."""
    if media[4:8] == b"ftyp":
        with av.open(io.BytesIO(media), "r", options={"export_xmp": "1"}) as container:
            return container.metadata["xmp"].encode()
    with Image.open(io.BytesIO(media)) as picture:
        found: bytes | str = picture.info["XML:com.adobe.xmp" if picture.format == "PNG" else "xmp"]
    return found.encode() if isinstance(found, str) else found


def source_types(packet: bytes) -> list[str]:
    root = ElementTree.fromstring(re.sub(rb"<\?xpacket.*?\?>", b"", packet))  # noqa: S314 - of our own
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    return [each.attrib[name] for each in root.iter() if name in each.attrib]


def shown(media: bytes) -> list[bytes]:
    if media[4:8] == b"ftyp":
        with av.open(io.BytesIO(media), "r") as container:
            return [bytes(packet) for packet in container.demux(video=0)]
    with Image.open(io.BytesIO(media)) as picture:
        return [picture.convert("RGBA").tobytes()]


@pytest.mark.parametrize(("trained", "expected"), [(True, TRAINED), (False, ALGORITHMIC)])
@pytest.mark.parametrize("name", ["png", "mp4"])
def test_what_a_worker_writes_says_how_it_was_made(name: str, trained: bool, expected: str) -> None:
    made = png(PIXELS, parameters="a fox", trained=trained)
    if name == "mp4":
        made = mp4([PIXELS] * 4, width=64, height=48, fps=16, comment="a fox", trained=trained)
    assert source_types(packet_of(made)) == [expected]


def test_a_result_is_of_a_model_unless_it_says_otherwise() -> None:
    assert source_types(packet_of(png(PIXELS))) == [TRAINED]
    assert source_types(packet_of(film())) == [TRAINED]


OTHERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("image/png", png_with_text),
    "png with XMP": ("image/png", png_with_xmp),
    "jpeg": ("image/jpeg", lambda: saved("JPEG", comment="a fox")),
    "jpeg with XMP": ("image/jpeg", lambda: saved("JPEG", xmp=FOREIGN)),
    "webp": ("image/webp", lambda: saved("WEBP")),
    "lossless webp": ("image/webp", lambda: saved("WEBP", lossless=True)),
    "transparent webp": ("image/webp", transparent_webp),
    "transparent lossless webp": ("image/webp", lambda: transparent_webp(lossless=True)),
    "webp with XMP": ("image/webp", lambda: saved("WEBP", xmp=FOREIGN)),
    "mp4": ("video/mp4", plain_film),
    "mp4 whose last box has no size": (
        "video/mp4",
        lambda: (whole := plain_film())[: (at := whole.rindex(b"mdat") - 4)] + bytes(4) + whole[at + 4 :],
    ),
}


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_program_is_marked(name: str, trained: bool) -> None:
    content_type, make = OTHERS[name]
    before = make()
    after = xmp.marked(before, content_type, trained=trained)
    assert source_types(packet_of(after)) == [TRAINED if trained else ALGORITHMIC]
    assert shown(after) == shown(before)
    found = measure(io.BytesIO(after), media=content_type.partition("/")[0])
    assert found == measure(io.BytesIO(before), media=content_type.partition("/")[0])
    if "with XMP" in name:
        assert b"a fox" in packet_of(after)
    assert xmp.marked(after, content_type, trained=trained) == after  # once


def test_its_parameters_stay() -> None:
    found = read_parameters(io.BytesIO(xmp.marked(png_with_text(), "image/png")))
    assert found is not None
    assert (found.prompt, found.seed) == ("a fox", 3)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_is_cut_off_is_left_to_the_server(name: str, share: float) -> None:
    """The server's refusal says what is wrong with it."""
    content_type, make = OTHERS[name]
    before = make()
    after = xmp.marked(before[: int(share * len(before))], content_type)
    with pytest.raises(BrokenMedia):
        measure(io.BytesIO(after), media=content_type.partition("/")[0])


def test_another_kind_stays_as_it_is() -> None:
    assert xmp.marked(b"anything", "video/webm") == b"anything"
    assert xmp.marked(b"anything", "image/png") == b"anything"
