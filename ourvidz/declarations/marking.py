"""Settings of what results are marked with."""

from __future__ import annotations

from ourvidz.environment import Setting

MARKING = (
    Setting(
        name="SIGNING_CERTIFICATE",
        default="",
        means="a file with the certificate, and those above it, in PEM, with which results are signed as "
        "generated ([marking.md](marking.md)); none is signed without. Once it has expired, results are "
        "stored unsigned, and the log says so",
    ),
    Setting(
        name="SIGNING_KEY",
        default="",
        means="the file with its private key in PEM, without a password; for the account that runs OurVidz "
        "alone",
    ),
)
