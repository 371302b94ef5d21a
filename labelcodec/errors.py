"""Every error the library raises on purpose, so that a caller can catch one class."""


class LabelcodecError(Exception):
    """Base of all errors of this library. The message says what, where and what to do."""


class FormatError(LabelcodecError):
    """The bytes are not a container, or break a MUST of `spec/SPEC.md`."""


class VersionError(FormatError):
    """The container's major version is newer than this library."""


class CorruptError(FormatError):
    """The container was damaged after it was written: truncated, or a checksum fails."""


class UnsupportedError(LabelcodecError):
    """The container is well formed but needs a codec or a section this library lacks."""


class DataError(LabelcodecError):
    """Labels or augmentations that cannot be stored as asked (shape, range, NaN)."""


class DumpError(LabelcodecError):
    """A foreign dump is incomplete, inconsistent or in an unknown layout."""


class UnsafeError(DumpError):
    """A dump's pickle names something outside the closed allow-list; nothing was run."""


class MismatchError(LabelcodecError):
    """Two things that must belong together do not (image folder, shards, resume)."""


class ShapeError(MismatchError):
    """Weights of a model like this one, but of other shapes: mostly of another class count."""


class ConfigError(LabelcodecError):
    """A codec spec or option that means nothing; the user's call is wrong, not the data."""
