"""Every table of OurVidz. The database carries the rules; generation.lifecycle is the only writer of status."""

from generation.models.asset import Asset, AssetStatus, Image, Video
from generation.models.counter import OwnerCounter
from generation.models.job import Job, JobStatus
from generation.models.lease import Attempt, Outcome, Upload
from generation.models.project import Project
from generation.models.token import PersonalToken, WorkerToken
from generation.models.worker import Worker

__all__ = [
    "Asset",
    "AssetStatus",
    "Attempt",
    "Image",
    "Job",
    "JobStatus",
    "Outcome",
    "OwnerCounter",
    "PersonalToken",
    "Project",
    "Upload",
    "Video",
    "Worker",
    "WorkerToken",
]
