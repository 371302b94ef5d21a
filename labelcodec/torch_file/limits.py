"""What a file may ask for: these and its own size bound the memory that reading it takes."""

MAX_PICKLE = 32 << 20  # bytes of the pickle, which hold the numpy arrays but no tensor
MAX_OPCODES = 1 << 20  # each makes at most about 100 bytes
MAX_MEMBERS = 1 << 17  # of the archive
MAX_VALUES = 1 << 20  # in the result, with every repetition counted
MAX_ARRAYS = 1 << 17  # tensors, arrays and numpy scalars among them
MAX_DEPTH = 32  # of lists in lists
MAX_INTEGER = 16  # bytes of one integer
MAX_NAME = 256  # bytes of the name of a global
