"""How a file says that it was generated: the IPTC digital source type in its XMP (docs/marking.md)."""

from __future__ import annotations

import re

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = "trainedAlgorithmicMedia"  # made by a model
# Those that say so, of https://cv.iptc.org/newscodes/digitalsourcetype/; no other word is passed on.
GENERATED = (
    TRAINED,
    "algorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
)
SOURCE_TYPE = re.compile(
    re.escape(SOURCE_TYPES).encode() + rb"(" + "|".join(GENERATED).encode() + rb")(?![A-Za-z])"
)
MAX_XMP_BYTES = 256 * 1024  # of a packet that is looked into
PACKET = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b'Iptc4xmpExt:DigitalSourceType="%s"/></rdf:RDF></x:xmpmeta>'
)
END = b'<?xpacket end="r"?>'


def source_type(xmp: bytes) -> str:
    """The last part of the address of the source type; empty where none says that it was generated."""
    found = SOURCE_TYPE.search(xmp)
    return found[1].decode() if found else ""


def source_type_packet(xmp: bytes, room: int) -> bytes:
    """The packet that says nothing but the source type of `xmp`.

    It is made as long as `room`, by the spaces that XMP allows. Empty where `xmp` says no source type,
    or where there is too little room.
    """
    found = source_type(xmp)
    if not found:
        return b""
    packet = PACKET % (SOURCE_TYPES + found).encode()
    spaces = room - len(packet) - len(END)
    return packet + b" " * spaces + END if spaces >= 0 else b""
