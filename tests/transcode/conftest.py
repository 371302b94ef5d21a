"""The dumps of the layouts' tests."""

from tests.formats.conftest import forty, lpld, lpqld, sre2l

__all__ = ["forty", "lpld", "lpqld", "sre2l"]
