"""The errors that the library raises on purpose; `LabelcodecError` catches them all."""


class LabelcodecError(Exception):
    """Base class of all errors of this library. The message says what, where and what to do."""


class LabelcodecWarning(UserWarning):
    """What a user should know although the work goes on; the program prints it."""


class FormatError(LabelcodecError):
    """The bytes are not a container, or violate a MUST of `spec/SPEC.md`."""


class VersionError(FormatError):
    """The container's major version is newer than this library."""


class CorruptError(FormatError):
    """The container was damaged after it was written: truncated, or a checksum fails."""


class UnsupportedError(LabelcodecError):
    """The container is well-formed but needs a codec or section that this library lacks."""


class NeedsImagesError(LabelcodecError):
    """Labels are a function of their images: these and the encoder are needed to compute them."""


class DataError(LabelcodecError):
    """Labels or augmentations cannot be stored as requested (shape, range, NaN)."""


class DumpError(LabelcodecError):
    """A foreign dump is incomplete, inconsistent or in an unknown layout."""


class UnsafeError(DumpError):
    """A dump's pickle names something outside the closed allow-list; nothing was executed."""


class MismatchError(LabelcodecError):
    """Two things that must belong together do not, or a target exists already."""


class ShapeError(MismatchError):
    """A model's weights have other shapes, mostly because of another number of classes."""


class RemoteError(LabelcodecError):
    """A file elsewhere cannot be reached or read: no network, no permission, no ranges."""


class MissingExtraError(LabelcodecError, ImportError):
    """A package is not installed that only a part of the library needs; the message names it."""


class ConfigError(LabelcodecError):
    """An invalid codec spec or option: the call is wrong, not the data."""
