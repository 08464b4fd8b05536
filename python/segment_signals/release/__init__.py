"""The release: the last node of the build, an immutable folder that BI and the review read.

`publish` writes one, `verify` says whether one is whole.
"""

from segment_signals.release.errors import ReleaseBlocked, ReleaseError, ReleaseRefused
from segment_signals.release.identity import RELEASE_SCHEMA
from segment_signals.release.verification import verify
from segment_signals.release.writer import publish

__all__ = ["RELEASE_SCHEMA", "ReleaseBlocked", "ReleaseError", "ReleaseRefused", "publish", "verify"]
