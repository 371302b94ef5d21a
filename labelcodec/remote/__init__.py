"""Files that are not on this machine's disks: on a web server, the Hub, an object store."""

from labelcodec.remote.location import Identity, Location, LocationLike, as_location, is_url
from labelcodec.remote.remote_file import Cache, RemoteFile

__all__ = [
    "Cache",
    "Identity",
    "Location",
    "LocationLike",
    "RemoteFile",
    "as_location",
    "is_url",
]
