"""No name leaves the folder, and what is inside arrives whole."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releases.intake.report import Refused
from releases.intake.unpack import Caps, safe, unpack

PIECES = st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "C:", "nul", " ", "\x00", "é", "~", "", "-"]), max_size=8)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), PIECES.map("".join)))
@example("..")
@example("a/../../b")
@example("//a")
@example("C:/a")
@example("aux.txt")
def test_a_name_is_refused_or_stays_inside(name: str) -> None:
    try:
        path = safe(name)
    except Refused:
        return
    inside = Path("/base") / path
    assert inside.resolve().is_relative_to("/base")
    assert inside != Path("/base")
    assert "\\" not in name
    assert ":" not in name


def packed(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


def unpacked(upload: Path, folder: Path, caps: Caps | None = None) -> list[str]:
    folder.mkdir()
    unpack(upload, folder, caps or Caps())
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_folder_around_everything_is_taken_off(tmp_path: Path) -> None:
    upload = packed(tmp_path / "a.zip", "top/model.onnx", "top/tests/test_a.py")
    assert unpacked(upload, tmp_path / "out") == ["model.onnx", "tests/test_a.py"]


def test_two_things_at_the_top_stay_as_they_are(tmp_path: Path) -> None:
    upload = packed(tmp_path / "a.zip", "model.onnx", "tests/test_a.py")
    assert unpacked(upload, tmp_path / "out") == ["model.onnx", "tests/test_a.py"]


def test_a_single_file_gets_the_usual_name(tmp_path: Path) -> None:
    (tmp_path / "flight v3.ONNX").write_bytes(b"x")
    assert unpacked(tmp_path / "flight v3.ONNX", tmp_path / "out") == ["model.onnx"]


def test_sizes_are_counted_while_reading_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "large").write_bytes(bytes(3000))
    with pytest.raises(Refused, match="unpacks to more than"):
        unpacked(tmp_path / "upload", tmp_path / "out", Caps(total=2000))


def test_a_file_cannot_be_a_folder_too(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="both a file and a folder"):
        unpacked(packed(tmp_path / "a.zip", "a", "a/b"), tmp_path / "out")


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no files"):
        unpacked(packed(tmp_path / "a.zip"), tmp_path / "out")
