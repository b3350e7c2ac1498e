"""The Valkey that tests and drills start for themselves."""

import subprocess
from pathlib import Path

from dashboard.supervisor.throwaway import running
from dashboard.supervisor.valkey import answers


def test_each_test_starts_with_an_empty_redis(redis):
    assert redis.dbsize() == 0
    redis.set("slipway:left", "over")


def test_what_the_test_before_left_is_gone(redis):
    assert redis.get("slipway:left") is None


def test_the_server_keeps_its_data_in_a_folder_with_spaces_and_quotes(tmp_path: Path):
    folder, socket = tmp_path / 'a "deep" folder', Path("/tmp") / f"s{tmp_path.name[-20:]}" / "v.sock"
    with running(folder, socket, "secret") as process:
        assert answers(socket, "secret")
        assert not answers(socket, "wrong")
        shown = subprocess.run(["ps", "-o", "args=", "-p", str(process.pid)], capture_output=True, text=True).stdout
        assert "valkey" in shown
        assert "secret" not in shown
    assert list(folder.rglob("*.aof"))
    socket.parent.rmdir()
