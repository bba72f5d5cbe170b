"""Every table. The database carries the rules; generation.jobs is the only writer of a status."""

from generation.models.allowance import Allowance
from generation.models.asset import Asset, Image, Video
from generation.models.counter import OwnerCounter, Purged
from generation.models.job import Job
from generation.models.lease import Attempt, Outcome, Upload
from generation.models.pace import Pace
from generation.models.preview import Preview
from generation.models.project import Project
from generation.models.reference import JobReference, Reference
from generation.models.statuses import AssetStatus, JobStatus
from generation.models.token import PersonalToken, WorkerToken
from generation.models.worker import Worker

__all__ = [
    "Allowance",
    "Asset",
    "AssetStatus",
    "Attempt",
    "Image",
    "Job",
    "JobReference",
    "JobStatus",
    "Outcome",
    "OwnerCounter",
    "Pace",
    "PersonalToken",
    "Preview",
    "Project",
    "Purged",
    "Reference",
    "Upload",
    "Video",
    "Worker",
    "WorkerToken",
]
