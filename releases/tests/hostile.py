"""Every hostile upload that an intake must refuse, each with the step and a word of its sentence.

Used by the tests and by the drills. Each builder gets an empty folder and the path of a canary: a file that comes into
being when anything of the upload is executed, or written where it does not belong.
"""

import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from releases.tests import models

MIB = 1024 * 1024
GIB = 1024 * MIB
Builder = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class Case:
    """`build(folder, canary)` makes the upload; it must be refused at `step` with `words` in the sentence."""

    build: Builder
    step: str
    words: str


class Touch:
    """Unpickling this creates the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


def bomb(canary: Path, protocol: int = 4) -> bytes:
    return pickle.dumps(Touch(canary), protocol)


# --- archives made by hand ---


def zipped(path: Path, members: Mapping[str, bytes], **options: Any) -> Path:
    """A zip whose names stand in it exactly as given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = options.get("attributes", 0o644 << 16)
            archive.writestr(info, data)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tar_link(kind: bytes, target: str) -> Builder:
    def build(folder: Path, canary: Path) -> Path:
        info = tarfile.TarInfo("model.skops")
        info.type, info.linkname = kind, target
        return tarred(folder / "package.tar.gz", (info, b""))

    return build


def named_zip(name: str, data: bytes = b"x") -> Builder:
    return lambda folder, canary: zipped(folder / "package.zip", {"model.skops": good(), name: data})


def climbing_tar(folder: Path, canary: Path) -> Path:
    return tarred(folder / "package.tar.gz", (tarfile.TarInfo(f"../../{canary.name}"), b"was here"))


def climbing_zip(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {f"../../{canary.name}": b"was here"})


def absolute_zip(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {str(canary): b"was here"})


def linked_zip(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {"model.skops": b"/etc/passwd"}, attributes=0o120777 << 16)


def linked_folder(folder: Path, canary: Path) -> Path:
    (folder / "package").mkdir()
    (folder / "package" / "model.skops").symlink_to("/etc/passwd")
    return folder / "package"


def encrypted_zip(folder: Path, canary: Path) -> Path:
    path = zipped(folder / "package.zip", {"model.skops": good()})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    path.write_bytes(bytes(data))
    return path


def cut_zip(folder: Path, canary: Path) -> Path:
    path = zipped(folder / "package.zip", {"model.skops": good()})
    path.write_bytes(path.read_bytes()[:-40])
    return path


def cut_tar(folder: Path, canary: Path) -> Path:
    path = tarred(folder / "package.tar.gz", (tarfile.TarInfo("model.skops"), os.urandom(MIB)))
    path.write_bytes(path.read_bytes()[: MIB // 2])
    return path


def crowd(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {f"{i}.txt": b"" for i in range(2500)})


def doubled(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {"model.skops": good(), "MODEL.skops": good()})


def zeros(size: int) -> tuple[bytes, bytes, bytes]:
    """A deflate stream of `size` zero bytes as (one block, its repetitions joined, the end); made without inflating."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(MIB))
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block, block * (size // MIB), zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def lying_zip(folder: Path, canary: Path) -> Path:
    return ten_gigabytes_zip(folder, canary, 1000)


def ten_gigabytes_zip(folder: Path, canary: Path, stated: int = 10 * GIB) -> Path:
    """One member of 10 GiB in some 10 MB, which its headers call `stated` bytes large."""
    _, blocks, end = zeros(10 * GIB)
    packed = blocks + end
    name = b"model.skops"
    wide = struct.pack("<HHQ", 1, 8, stated)
    head = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 0x21, 0, len(packed), 0xFFFFFFFF, len(name), len(wide))
    entry = b"PK\x01\x02\x2d\x00" + head + struct.pack("<HHHII", 0, 0, 0, 0o644 << 16, 0) + name + wide
    body = b"PK\x03\x04" + head + name + wide + packed
    end_record = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(body), 0)
    path = folder / "package.zip"
    path.write_bytes(body + entry + end_record)
    return path


def honest_ten_gigabytes_zip(folder: Path, canary: Path) -> Path:
    """Many members, each below the ratio's notice; the total is what is too much."""
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(90):
            archive.writestr(f"{number}.bin", bytes(6 * MIB))
    return path


def crowded_tar(folder: Path, canary: Path) -> Path:
    return tarred(folder / "package.tar.gz", *((tarfile.TarInfo(f"{i}.bin"), bytes(MIB)) for i in range(20)))


def ten_gigabytes_tar(folder: Path, canary: Path) -> Path:
    """A gzip stream of a tar header for 10 GiB, then zeros."""
    info = tarfile.TarInfo("model.skops")
    info.size = 10 * GIB
    _, blocks, end = zeros(10 * GIB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(info.tobuf(tarfile.GNU_FORMAT)) + packer.flush(zlib.Z_FULL_FLUSH)
    path = folder / "package.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + head + blocks + end + struct.pack("<II", 0, 0))
    return path


def long_header_tar(folder: Path, canary: Path) -> Path:
    """An extended header of 100 MiB, which a careless reader takes into memory whole."""
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    return tarred(folder / "package.tar.gz", (info, os.urandom(2 * MIB)))


# --- pickles ---


def single(name: str, protocol: int = 4) -> Builder:
    def build(folder: Path, canary: Path) -> Path:
        path = folder / name
        path.write_bytes(bomb(canary, protocol))
        return path

    return build


def beside(name: str, make: Callable[[Path], bytes] = bomb) -> Builder:
    """A good model with a pickle beside it, all in one zip."""
    return lambda folder, canary: zipped(folder / "package.zip", {"model.skops": good(), name: make(canary)})


def instead(folder: Path, canary: Path) -> Path:
    return zipped(folder / "package.zip", {"flight/model.skops": bomb(canary)})


def object_array(canary: Path) -> bytes:
    written = io.BytesIO()
    np.save(written, np.array([Touch(canary)], dtype=object), allow_pickle=True)
    return written.getvalue()


def nested(canary: Path) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("inner/weights.bin", bomb(canary))
    return written.getvalue()


def in_skops(folder: Path, canary: Path) -> Path:
    made = io.BytesIO(good())
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("extra.npy", object_array(canary))
    path = folder / "model.skops"
    path.write_bytes(made.getvalue())
    return path


def mlflow(form: str, model: str) -> Builder:
    """An MLflow folder that says its model is `form`."""

    def build(folder: Path, canary: Path) -> Path:
        text = f"flavors:\n  sklearn:\n    pickled_model: {model}\n    serialization_format: {form}\n"
        data = good() if model.endswith(".skops") else bomb(canary)
        return models.folder(folder / "package", {"MLmodel": text, model: data})

    return build


def yaml_call(folder: Path, canary: Path) -> Path:
    text = f"flavors: !!python/object/apply:os.system ['touch {canary}']\n"
    return models.folder(folder / "package", {"MLmodel": text, "model.skops": good()})


# --- skops files ---


def good() -> bytes:
    return models.skops_bytes(models.tree())


def skops(make: Callable[[Path], bytes]) -> Builder:
    def build(folder: Path, canary: Path) -> Path:
        path = folder / "model.skops"
        path.write_bytes(make(canary))
        return path

    return build


def calls_system(canary: Path) -> bytes:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = make_pipeline(FunctionTransformer(os.system), models.tree())
    return models.skops_bytes(steps)


def foreign_class(canary: Path) -> bytes:
    return models.edit_schema(good(), lambda text: text.replace('"DecisionTreeRegressor"', '"Evil"', 1))


def trusting_itself(folder: Path, canary: Path) -> Path:
    """The upload's own trust list names what it needs; nobody asks it."""
    text = (
        "flavors:\n  sklearn:\n    pickled_model: model.skops\n    serialization_format: skops\n"
        "    skops_trusted_types: [posix.system]\n"
    )
    return models.folder(folder / "package", {"MLmodel": text, "model.skops": calls_system(canary)})


def reads_files(canary: Path) -> bytes:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(CountVectorizer(), Ridge()).fit(["a text", "another one"], [1.0, 2.0])
    return models.skops_bytes(model.set_params(countvectorizer__input="filename"))


def child_outside(canary: Path) -> bytes:
    return models.edit_arrays(good(), "left_child", lambda nodes: nodes["left_child"].__setitem__(0, 2**40))


def child_in_a_circle(canary: Path) -> bytes:
    return models.edit_arrays(good(), "left_child", lambda nodes: nodes["right_child"].__setitem__(1, 0))


def feature_outside(canary: Path) -> bytes:
    return models.edit_arrays(good(), "left_child", lambda nodes: nodes["feature"].__setitem__(0, 10**9))


def too_many_nodes(canary: Path) -> bytes:
    count = models.tree().tree_.node_count
    return models.edit_schema(good(), lambda text: text.replace(f'"{count}"', '"4000000000"'))


def boosted_child_outside(canary: Path) -> bytes:
    data = models.skops_bytes(models.boosted())
    return models.edit_arrays(data, "is_leaf", lambda nodes: nodes["right"].__setitem__(0, 2**31))


def boosted_feature_outside(canary: Path) -> bytes:
    data = models.skops_bytes(models.boosted())
    return models.edit_arrays(data, "is_leaf", lambda nodes: nodes["feature_idx"].__setitem__(0, 2**40))


def neighbours_outside(canary: Path) -> bytes:
    from sklearn.neighbors import KNeighborsRegressor

    data = models.skops_bytes(KNeighborsRegressor(algorithm="kd_tree").fit(*models.table()))
    return models.edit_arrays(data, "idx_start", lambda nodes: nodes["idx_end"].__setitem__(0, 2**40))


def sparse_outside(canary: Path) -> bytes:
    """Neighbours over one-hot columns keep their rows as a sparse matrix, whose indices nobody checks at use."""
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import KNeighborsRegressor

    def change(name: str, member: bytes) -> bytes:
        if not name.endswith(".npz"):
            return member
        with np.load(io.BytesIO(member)) as arrays:
            parts = dict(arrays)
        parts["indices"] = parts["indices"].copy()
        parts["indices"][0] = 2**30
        written = io.BytesIO()
        np.savez(written, **parts)
        return written.getvalue()

    x, y = models.table()
    return models.edit(models.skops_bytes(KNeighborsRegressor().fit(csr_matrix(x), y)), change)


# --- ONNX files ---


def onnx(change: Callable[[Any], None]) -> Builder:
    def build(folder: Path, canary: Path) -> Path:
        import onnx as library

        model = library.load_from_string(models.travel_time())
        change(model)
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return build


def external_data(model: Any) -> None:
    from onnx import TensorProto

    tensor = TensorProto(name="weights", data_type=TensorProto.DOUBLE, dims=[1], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    model.graph.initializer.append(tensor)


def foreign_operator(model: Any) -> None:
    model.graph.node[0].domain = "com.evil"
    model.opset_import.add(domain="com.evil", version=1)


def unknown_operator(model: Any) -> None:
    model.graph.node[0].op_type = "Explode"


CASES: dict[str, Case] = {
    "a zip that climbs out of its folder": Case(climbing_zip, "unpack", "leave the package's folder"),
    "a tar that climbs out of its folder": Case(climbing_tar, "unpack", "leave the package's folder"),
    "a zip with an absolute name": Case(absolute_zip, "unpack", "leave the package's folder"),
    "a zip with backslashes": Case(named_zip("..\\..\\evil"), "unpack", "leave the package's folder"),
    "a zip with a drive letter": Case(named_zip("C:evil"), "unpack", "leave the package's folder"),
    "a zip with a device's name": Case(named_zip("tests/NUL.txt"), "unpack", "not a name that every system"),
    "a zip with a control character": Case(named_zip("a\x07b"), "unpack", "not a name that every system"),
    "a zip with a link": Case(linked_zip, "unpack", "is a link"),
    "a folder with a link": Case(linked_folder, "unpack", "is a link"),
    "a tar with a symbolic link": Case(tar_link(tarfile.SYMTYPE, "/etc/passwd"), "unpack", "is a link"),
    "a tar with a hard link": Case(tar_link(tarfile.LNKTYPE, "/etc/passwd"), "unpack", "is a link"),
    "a tar with a device": Case(tar_link(tarfile.CHRTYPE, ""), "unpack", "is a link or a special file"),
    "a tar with a pipe": Case(tar_link(tarfile.FIFOTYPE, ""), "unpack", "is a link or a special file"),
    "a zip with a password": Case(encrypted_zip, "unpack", "encrypted"),
    "a zip cut short": Case(cut_zip, "unpack", "damaged"),
    "a tar cut short": Case(cut_tar, "unpack", "damaged"),
    "a zip of 2,500 files": Case(crowd, "unpack", "more than 2,000 files"),
    "a zip with two names that differ in case": Case(doubled, "unpack", "twice"),
    "a zip of 10 GB": Case(ten_gigabytes_zip, "unpack", "512 MiB"),
    "a zip of 10 GB that says 1 kB": Case(lying_zip, "unpack", "damaged"),
    "a tar of many files, packed too well": Case(crowded_tar, "unpack", "200 times"),
    "a zip of many files, too large together": Case(honest_ten_gigabytes_zip, "unpack", "512 MiB"),
    "a tar of 10 GB": Case(ten_gigabytes_tar, "unpack", "512 MiB"),
    "a tar with a huge header": Case(long_header_tar, "unpack", "header"),
    "a .pkl": Case(single("model.pkl"), "inspect", "is a pickle by its name"),
    "a .joblib": Case(single("model.joblib"), "inspect", "is a pickle by its name"),
    "a pickle renamed .skops": Case(single("model.skops"), "inspect", "is a pickle by its content"),
    "a pickle renamed .onnx": Case(single("model.onnx", 2), "inspect", "is a pickle by its content"),
    "a pickle renamed .skops in a zip": Case(instead, "inspect", "is a pickle by its content"),
    "a pickle in a zip": Case(beside("tests/data.pkl"), "inspect", "is a pickle by its name"),
    "a pickle with an innocent name in a zip": Case(beside("weights.bin"), "inspect", "is a pickle by its content"),
    "a pickle as text": Case(beside("notes.txt", lambda canary: bomb(canary, 0)), "inspect", "pickle by its content"),
    "a compressed pickle": Case(
        beside("w.bin", lambda canary: zlib.compress(bomb(canary))), "inspect", "compressed pickle"
    ),
    "a numpy file of objects": Case(beside("x.npy", object_array), "inspect", "numpy file of Python objects"),
    "a pickle in a zip in a zip": Case(beside("data.zip", nested), "inspect", "is a pickle by its content"),
    "a pickle inside a skops file": Case(in_skops, "inspect", "numpy file of Python objects"),
    "an MLflow folder saved as cloudpickle": Case(mlflow("cloudpickle", "model.pkl"), "inspect", "pickle"),
    "an MLflow folder that says pickle": Case(mlflow("pickle", "model.skops"), "inspect", "saved as"),
    "an MLflow folder that points outside": Case(
        mlflow("skops", "../model.skops"), "unpack", "leave the package's folder"
    ),
    "an MLmodel that calls Python": Case(yaml_call, "inspect", "cannot be read as YAML"),
    "a skops file that calls os.system": Case(skops(calls_system), "inspect", "not on this server's list"),
    "a skops file of a foreign class": Case(skops(foreign_class), "inspect", "not on this server's list"),
    "a package that trusts itself": Case(trusting_itself, "inspect", "not on this server's list"),
    "a tree with a child outside": Case(skops(child_outside), "inspect", "child index that points outside"),
    "a tree with a circle": Case(skops(child_in_a_circle), "inspect", "child index that points outside"),
    "a tree with a feature outside": Case(skops(feature_outside), "inspect", "feature that the model does not have"),
    "a tree with too many nodes": Case(skops(too_many_nodes), "inspect", "another number of nodes"),
    "a boosted tree with a child outside": Case(
        skops(boosted_child_outside), "inspect", "child index that points outside"
    ),
    "a boosted tree with a feature outside": Case(
        skops(boosted_feature_outside), "load", "feature that it does not have"
    ),
    "neighbours that point outside": Case(skops(neighbours_outside), "load", "points outside its own data"),
    "a sparse matrix with an index outside": Case(skops(sparse_outside), "load", "is damaged"),
    "a model that opens files by name": Case(skops(reads_files), "load", "opens files that a request names"),
    "an ONNX file with data elsewhere": Case(onnx(external_data), "inspect", "no external data"),
    "an ONNX file with foreign operators": Case(onnx(foreign_operator), "inspect", "only ai.onnx and ai.onnx.ml"),
    "an ONNX file with an unknown operator": Case(onnx(unknown_operator), "inspect", "not valid ONNX"),
}
