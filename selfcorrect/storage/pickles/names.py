"""What names in a pickle may be, and what they mean here; whatever is in no table is refused."""

from __future__ import annotations

from .things import Name

_NUMBERS = {
    **{(f"numpy.{core}.multiarray", name): name for core in ("core", "_core") for name in ("_reconstruct", "scalar")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "_frombuffer" for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    **{
        (f"scipy.sparse.{prefix}{layout}", f"{layout}_{kind}"): layout
        for layout in ("csc", "csr", "coo")
        for prefix in ("", "_")
        for kind in ("matrix", "array")
    },
    ("_codecs", "encode"): "encode",
    ("copy_reg", "_reconstructor"): "_reconstructor",
    ("copyreg", "_reconstructor"): "_reconstructor",
    ("__builtin__", "object"): "object",
    ("builtins", "object"): "object",
    ("__builtin__", "bytes"): "bytes",
}
_RESULTS = {
    **{name: means for name, means in _NUMBERS.items() if not means.startswith("cs") and means != "coo"},
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch.storage", "_load_from_bytes"): "storage",
    **{("torch", f"{kind}Storage"): f"{kind} storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int",
                                                                   "Short", "Char", "Byte", "Bool")},
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "joblib",
    ("collections", "OrderedDict"): "dict",
    ("collections", "defaultdict"): "dict",
    ("torch", "Size"): "tuple",
    **{("torch", name): "nothing" for name in ("device", "dtype", "float32", "float64", "float16", "bfloat16", "int64",
                                               "int32", "bool")},
    **{(module, name): "nothing" for module in ("builtins", "__builtin__") for name in ("dict", "list", "int", "float",
                                                                                        "set", "str")},
    **{("pathlib", name): "nothing" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")},
    **{("pathlib._local", name): "nothing" for name in ("Path", "PosixPath", "WindowsPath")},
}  # fmt: skip

NUMBERS = {key: Name(*key, means) for key, means in _NUMBERS.items()}
"""What a name in a pickle may be, and what it means here. Old files name NumPy's and SciPy's old modules."""

RESULTS = {key: Name(*key, means) for key, means in _RESULTS.items()}
"""The same of files that programs save their results in: also PyTorch's tensors and joblib's arrays. What is no number
there is skipped as "nothing"; whatever is not named here is refused."""

RECONSTRUCT = RESULTS["numpy.core.multiarray", "_reconstruct"]
NDARRAY = RESULTS["numpy", "ndarray"]
