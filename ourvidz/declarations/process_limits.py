"""Settings that bound a web process: requests, pages, connections, bodies, decoding."""

from __future__ import annotations

from ourvidz.declarations.checks import POSTGRES_SCHEMES
from ourvidz.declarations.units import EIB, GIB, MIB, TIB
from ourvidz.environment import Decimal, Derived, Integer, Values, same


def pool_size(values: Values) -> int | None:
    """The most connections that a web process keeps to PostgreSQL; None on SQLite."""
    is_postgres = str(values["DATABASE_URL"]).startswith(tuple(f"{name}:" for name in POSTGRES_SCHEMES))
    return int(values["DATABASE_POOL"]) if is_postgres else None


def live_threads(values: Values) -> int:
    pool = pool_size(values)
    return min(4, max(1, pool - 1)) if pool else 4


def most_live_threads(values: Values) -> int:
    """Fewer than the connections: else open pages may hold every one of them."""
    pool = pool_size(values)
    return min(64, max(1, pool - 1)) if pool else 64


def max_requests(values: Values) -> int:
    """With the live threads no more than the pool's connections."""
    pool = pool_size(values)
    return max(2, pool - int(values["LIVE_THREADS"])) if pool else 16


def largest_upload(values: Values) -> int:
    return max(MIB, int(values["MAX_UPLOAD_BYTES"]), int(values["MAX_REFERENCE_BYTES"]))


REQUESTS = (
    Integer(
        name="LIVE_THREADS",
        default=Derived("4; with PostgreSQL fewer than `DATABASE_POOL`", live_threads),
        low=1,
        high=Derived("64; with PostgreSQL one less than `DATABASE_POOL`", most_live_threads),
        means="threads of a web process that render for open pages; each holds a connection meanwhile",
    ),
    Integer(
        name="MAX_REQUESTS",
        default=Derived("16; with PostgreSQL `DATABASE_POOL` less `LIVE_THREADS`, at least 2", max_requests),
        low=1,
        high=1000,
        means="requests that one web process works on at once; others wait, callers in turn, for up to "
        "twenty seconds and get 503 then. Uploads that have arrived, which wait for a decoder, are counted "
        "by themselves, as many again",
    ),
    Integer(
        name="MAX_REQUESTS_PER_USER",
        default=Derived("2, at most `MAX_REQUESTS`", lambda values: min(2, values["MAX_REQUESTS"])),
        low=1,
        high=same("MAX_REQUESTS"),
        means="requests of one user, of one worker, and of one address that is not signed in, that one web "
        "process works on at once; others wait for up to twenty seconds and get 429 then",
    ),
    Decimal(
        name="REQUESTS_PER_SECOND",
        default=20,
        low=0.001,
        high=100_000,
        means="requests of one user, and of one address that is not signed in, in the long run; over that "
        "429 with `Retry-After`. Opening a socket counts as one. `/healthz` is counted by itself. Media "
        "files count a tenth, static files and workers nothing. Each web process counts for itself",
    ),
    Integer(name="REQUEST_BURST", default=200, low=1, high=1_000_000, means="the same, as many at once"),
    Integer(
        name="PAGE_BYTES",
        default=MIB,
        low=64 * 1024,
        high=64 * MIB,
        means="about how large a page of the API may be; it holds at least one record",
    ),
    Integer(
        name="MAX_SOCKETS_PER_USER",
        default=128,
        low=1,
        high=100_000,
        means="pages that one user may have open at each web process; a further one says so, shows changes "
        "when it is reloaded, and tries again by itself",
    ),
    Integer(
        name="MAX_SOCKETS",
        default=1024,
        low=1,
        high=100_000,
        means="pages that all users together may have open at each web process",
    ),
)
CONNECTIONS = (
    Integer(
        name="MAX_CONNECTIONS",
        default=4096,
        low=1,
        high=65536,
        means="connections and sockets of one web process; fewer where the limit on descriptors asks for it "
        "(half of it, less 128). One more is answered 503",
    ),
    Integer(
        name="MAX_CONNECTIONS_PER_ADDRESS",
        default=512,
        low=1,
        high=65536,
        means="of them from one address (IPv6: from one /64). With `HTTPS`, private addresses are taken for "
        "the proxy's and not counted: bound them there",
    ),
    Integer(
        name="REQUEST_HEADER_SECONDS",
        default=20,
        low=1,
        high=3600,
        means="how many seconds the header of a request may take as a whole",
    ),
    Integer(
        name="REQUEST_BODY_SECONDS",
        default=60,
        low=1,
        high=3600,
        means="how many seconds a body may be behind a rate of 16 KiB a second",
    ),
    Integer(
        name="RESPONSE_STALL_SECONDS",
        default=60,
        low=1,
        high=3600,
        means="how long a reader may take nothing of its answer; one that reads slowly is not cut",
    ),
    Integer(
        name="MAX_BODY_BYTES",
        default=MIB,
        low=64 * 1024,
        high=16 * MIB,
        means="largest body of a request that is no upload",
    ),
    Integer(
        name="MAX_UPLOAD_BYTES",
        default=100 * MIB,
        low=1,
        high=TIB,
        means="largest result that a worker may upload",
    ),
    Integer(
        name="MAX_REFERENCE_BYTES",
        default=20 * MIB,
        low=1,
        high=64 * MIB,
        means="largest reference image; workers read no more than 64 MiB",
    ),
    Integer(
        name="UPLOAD_BYTES_PER_CALLER",
        default=Derived(
            "268435456, at least the largest upload",
            lambda values: max(256 * MIB, largest_upload(values)),
        ),
        low=Derived("the largest upload", largest_upload),
        high=1024 * TIB,
        means="bytes of uploads that one worker or one user may have on their way to a web process. Over "
        "it: 429",
    ),
    Integer(
        name="UPLOAD_BYTES_IN_FLIGHT",
        default=Derived(
            "1073741824, at least four times `UPLOAD_BYTES_PER_CALLER`",
            lambda values: max(GIB, 4 * values["UPLOAD_BYTES_PER_CALLER"]),
        ),
        low=same("UPLOAD_BYTES_PER_CALLER"),
        high=EIB,
        means="the same of all callers together; they lie in `DATA_DIR/tmp` meanwhile. Over it: 503",
    ),
)
DECODING = (
    Integer(
        name="DECODERS",
        default=2,
        low=1,
        high=32,
        means="processes of a web process that decode what workers and users upload; each takes 40 MB when "
        "idle. One caller holds all but one of them at most, and callers take turns",
    ),
    Integer(
        name="DECODE_MEMORY_BYTES",
        default=384 * MIB,
        low=64 * MIB,
        high=16 * GIB,
        means="memory that decoding one file may take; a larger picture is refused with its size (at the "
        "default WebP from 20 MP, progressive JPEG from 40 MP)",
    ),
    Integer(
        name="DECODE_SECONDS",
        default=30,
        low=1,
        high=600,
        means="CPU seconds that decoding one file may take, twice as many by the clock",
    ),
)
