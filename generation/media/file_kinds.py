"""The kinds of files that people and workers try, by their first bytes: a refusal names what it was given."""

from __future__ import annotations

import re

HEAD_BYTES = 4096
# The first that matches.
KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG image"),
    (re.compile(rb"\xff\xd8\xff"), "a JPEG image"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "a WebP image"),
    (re.compile(rb"GIF8[79]a"), "a GIF image"),
    (re.compile(rb"II\*\0|MM\0\*"), "a TIFF image"),
    (re.compile(rb"BM.{12}", re.DOTALL), "a BMP image"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "a JPEG XL image"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 image"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "an AVIF image"),
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL), "a HEIC image"),
    (re.compile(rb"....(ftypqt  |moov|mdat|wide|free|skip|pnot)", re.DOTALL), "a QuickTime video"),
    (re.compile(rb"....ftyp", re.DOTALL), "an MP4 video"),
    (re.compile(rb"\x1a\x45\xdf\xa3.{0,60}\x42\x82.webm", re.DOTALL), "a WebM video"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "a Matroska video"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "an AVI video"),
    (re.compile(rb"\x47.{187}\x47.{187}\x47", re.DOTALL), "an MPEG transport stream"),
    (re.compile(rb"\0\0\x01\xba"), "an MPEG program stream"),
    (re.compile(rb"\0\0(\0)?\x01[\x09\x67\x27\x40\x42]"), "a video stream without a container"),
    (re.compile(rb"FLV\x01"), "a Flash video"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "a Windows Media video"),
    (re.compile(rb"OggS"), "an Ogg file"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "an MP3 sound"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "a WAV sound"),
    (re.compile(rb"#EXTM3U"), "a playlist"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg", re.DOTALL), "an SVG drawing"),
    (re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE), "a web page"),
)


def kind_by_head(head: bytes) -> str:
    """With its article, as in “This is …”."""
    if not head:
        return "an empty file"
    return next((name for start, name in KINDS if start.match(head)), "no file of a known kind")
