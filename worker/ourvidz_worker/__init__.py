"""The OurVidz worker: leases jobs, runs an engine, delivers what it made."""

__version__ = "0.1.0"
