"""The tables, one file per noun."""

from releases.models.audit import AuditRow
from releases.models.batches import BatchChunk, BatchJob, BatchSchedule
from releases.models.capture import CaptureFile, CaptureSetting
from releases.models.counts import Count
from releases.models.edge import EdgeBundle, EdgeChannel, EdgeDevice
from releases.models.environments import Environment, PublishedTable, Route
from releases.models.evidence import Evidence
from releases.models.freezes import Freeze
from releases.models.gates import Override, Rule, SuiteSetting, Want
from releases.models.judging import JudgedBatch, Judgement
from releases.models.keys import AccessToken, ApiKey
from releases.models.line import LineStop
from releases.models.packages import Intake, MLModel, Package, Risk
from releases.models.releases import Event, Release
from releases.models.shadows import ShadowTally
from releases.models.streams import StreamHook

__all__ = [
    "AccessToken",
    "ApiKey",
    "AuditRow",
    "BatchChunk",
    "BatchJob",
    "BatchSchedule",
    "CaptureFile",
    "CaptureSetting",
    "Count",
    "EdgeBundle",
    "EdgeChannel",
    "EdgeDevice",
    "Environment",
    "Event",
    "Evidence",
    "Freeze",
    "Intake",
    "JudgedBatch",
    "Judgement",
    "LineStop",
    "MLModel",
    "Override",
    "Package",
    "PublishedTable",
    "Release",
    "Risk",
    "Route",
    "Rule",
    "ShadowTally",
    "StreamHook",
    "SuiteSetting",
    "Want",
]
