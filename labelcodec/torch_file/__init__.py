"""Files that torch.save writes, read and written without torch and without running anything.

A file is an archive of a pickle and of the bytes of the tensors' storages. Three steps read it:

1. `zip_archive`, or `legacy_file` for files of torch before 1.6, finds the pickle and the storages.
2. `unpickler` interprets the pickle. Every global is a stand-in of ours (`globals`), so that the
   result describes tensors and arrays (`descriptions`), but holds none.
3. `values` checks the descriptions and turns them into read-only views of the file's bytes.

`compiled` does all of it at once for what label files hold, and leaves other files to these steps.

Beside the file's own bytes this takes less than 256 MiB, whatever the file says (`limits`).

`write` and `pickler` write the same bytes as torch.save.
"""

from labelcodec.torch_file.descriptions import Opaque
from labelcodec.torch_file.read import read_torch_file
from labelcodec.torch_file.tensor import Tensor
from labelcodec.torch_file.write import torch_file

__all__ = ["Opaque", "Tensor", "read_torch_file", "torch_file"]
