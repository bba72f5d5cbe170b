"""Every table. The database carries the rules; generation.jobs is the only writer of a status."""

from generation.models.asset import Asset, Image, Video
from generation.models.counter import OwnerCounter, Tombstone
from generation.models.embedding import Embedding, EmbeddingModel, TextEmbedding
from generation.models.enrolment import Enrolment
from generation.models.file_deletion import FileDeletion
from generation.models.grouping import Collection, CollectionItem, Tag, TagItem
from generation.models.job import Job
from generation.models.lease import Attempt, Outcome, Upload
from generation.models.library_hour import LibraryHour
from generation.models.model import Model, ModelOffer
from generation.models.operation import Action, BulkOperation, OperationChunk, OperationStatus, Source
from generation.models.outbox import EventKind, OutboxEvent
from generation.models.preview import Preview
from generation.models.project import Project
from generation.models.queue_state import FairnessClock, Uptime
from generation.models.reference import JobReference, Reference
from generation.models.search import SavedSearch, SearchEntry, SearchIndexBuild
from generation.models.statuses import AssetStatus, JobStatus
from generation.models.token import PersonalToken, Scope, WorkerToken
from generation.models.user_quota import UserQuota
from generation.models.worker import Worker
from generation.models.worker_speed import WorkerSpeed

__all__ = [
    "Action",
    "Asset",
    "AssetStatus",
    "Attempt",
    "BulkOperation",
    "Collection",
    "CollectionItem",
    "Embedding",
    "EmbeddingModel",
    "Enrolment",
    "EventKind",
    "FairnessClock",
    "FileDeletion",
    "Image",
    "Job",
    "JobReference",
    "JobStatus",
    "LibraryHour",
    "Model",
    "ModelOffer",
    "OperationChunk",
    "OperationStatus",
    "OutboxEvent",
    "Outcome",
    "OwnerCounter",
    "PersonalToken",
    "Preview",
    "Project",
    "Reference",
    "SavedSearch",
    "Scope",
    "SearchEntry",
    "SearchIndexBuild",
    "Source",
    "Tag",
    "TagItem",
    "TextEmbedding",
    "Tombstone",
    "Upload",
    "Uptime",
    "UserQuota",
    "Video",
    "Worker",
    "WorkerSpeed",
    "WorkerToken",
]
