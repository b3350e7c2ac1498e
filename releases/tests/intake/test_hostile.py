"""Every hostile upload is refused with its sentence; nothing of it is executed, and nothing of it stays."""

from pathlib import Path

import pytest

from releases import intake
from releases.tests import hostile


@pytest.mark.parametrize("name", hostile.CASES)
def test_a_hostile_upload_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    case, canary = hostile.CASES[name], tmp_path / "canary"
    (tmp_path / "upload").mkdir()
    upload = case.build(tmp_path / "upload", canary)
    stores = {part: tmp_path / part for part in ("work", "packages", "artefacts")}
    steps: list[intake.Step] = []
    with pytest.raises(intake.Refused) as refused:
        intake.run(upload, **stores, declared={}, on_step=steps.append)
    assert (refused.value.step, case.words in refused.value.reason) == (case.step, True), refused.value.reason
    assert (steps[-1].name, steps[-1].state, steps[-1].detail) == (case.step, "refused", refused.value.reason)
    assert not canary.exists()
    assert not list(tmp_path.rglob(canary.name))
    assert [path for store in stores.values() if store.exists() for path in store.iterdir()] == []
