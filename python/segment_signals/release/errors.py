"""What can stop a release. Both errors leave the releases folder, and `current`, as they were."""


class ReleaseError(Exception):
    """A release could not be published."""


class ReleaseBlocked(ReleaseError):  # noqa: N818 (says what happened to the release)
    """A gate did not pass: the data, or a missing verdict, stops the release."""


class ReleaseRefused(ReleaseError):  # noqa: N818 (says what happened to the release)
    """The release would be wrong: stale inputs, other content under the same id, or a failed check."""
