"""Packages that cannot be loaded: they cost their own route only, the heartbeat says so, and nothing poses as ready."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx

from serving import exchange
from serving.routing import Key, Route, RouteTable, Target
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for
from serving.tests.test_gateway import api_key

LEAVER, STAYER = api_key("leaver"), api_key("stayer")
BODY = {"instances": [ROW]}


def folder(target: Target) -> Path:
    return Path(target.url.removeprefix("file://"))


def broken(target: Target) -> Target:
    """Keep the package's model aside, so that nothing can load it."""
    (folder(target) / "model.onnx").rename(folder(target).parent / "aside")
    return target


def mend(target: Target) -> None:
    (folder(target).parent / "aside").rename(folder(target) / "model.onnx")


def tables(generation: int, *keys: Key, **targets: Any) -> RouteTable:
    """A table of the models a and b, each of one target or several."""
    listed = {name: item if isinstance(item, tuple) else (item,) for name, item in targets.items()}
    routes = {name: Route(name, item) for name, item in listed.items()}
    return RouteTable("dev", generation, routes, keys=keys or (STAYER,))


def ask(gateway: GatewayProcess, model: str, key: str = "stayer") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return gateway.client.post(f"/dev/v1/models/{model}:predict", json=BODY, headers=headers)


def answer(gateway: GatewayProcess, model: str) -> Any:
    return ask(gateway, model).json().get("predictions")


def state(gateway: GatewayProcess, valkey: Valkey) -> dict[str, Any]:
    return gateway.beat(valkey.redis).get("environments", {}).get("dev", {})  # type: ignore[no-any-return]


def begin(gateway: GatewayProcess, valkey: Valkey, first: RouteTable) -> None:
    exchange.put_table(valkey.redis, first)
    gateway.start()
    wait_for(lambda: state(gateway, valkey).get("generation") == first.generation)


def test_a_way_back_that_cannot_be_loaded_holds_up_neither_other_models_nor_revoked_keys(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    one, two, three = (package(store, number) for number in (1, 2, 3))
    back = broken(package(store, 4, "previous", 0))
    begin(gateway, valkey, tables(1, LEAVER, STAYER, a=one, b=two))
    assert ask(gateway, "b", "leaver").status_code == 200
    exchange.put_table(valkey.redis, tables(2, STAYER, a=(one, back), b=three))
    wait_for(lambda: state(gateway, valkey)["generation"] == 2)
    assert (answer(gateway, "a"), answer(gateway, "b")) == ([1.0], [3.0])
    assert ask(gateway, "b", "leaver").status_code == 401
    seen = state(gateway, valkey)
    assert seen["packages"][back.digest].startswith("error: ")
    assert "Package 4" in seen["error"]
    mend(back)
    wait_for(lambda: state(gateway, valkey)["packages"][back.digest] == "ready")
    assert (state(gateway, valkey)["generation"], state(gateway, valkey)["error"]) == (2, None)


def test_a_failed_package_with_traffic_keeps_its_models_old_answer_while_others_move_on(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    one, two, three = (package(store, number) for number in (1, 2, 3))
    bad = broken(package(store, 4))
    begin(gateway, valkey, tables(1, LEAVER, STAYER, a=one, b=two))
    exchange.put_table(valkey.redis, tables(2, STAYER, a=bad, b=three))
    wait_for(lambda: answer(gateway, "b") == [3.0])
    assert answer(gateway, "a") == [1.0]
    assert ask(gateway, "b", "leaver").status_code == 401
    seen = wait_for(lambda: state(gateway, valkey) if state(gateway, valkey)["error"] else None)
    assert (seen["generation"], seen["packages"][bad.digest][:7]) == (1, "error: ")
    assert seen["packages"][one.digest] == "ready"
    mend(bad)
    wait_for(lambda: state(gateway, valkey)["generation"] == 2)
    assert answer(gateway, "a") == [4.0]


def test_a_candidate_that_is_being_prepared_and_cannot_be_loaded_is_not_adopted(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    one, two, three = (package(store, number) for number in (1, 2, 3))
    bad = broken(package(store, 4, "candidate", 0))
    begin(gateway, valkey, tables(1, a=one, b=two))
    exchange.put_table(valkey.redis, tables(2, a=(one, bad), b=three))
    wait_for(lambda: answer(gateway, "b") == [3.0])
    seen = wait_for(lambda: state(gateway, valkey) if state(gateway, valkey)["error"] else None)
    assert (seen["generation"], seen["packages"][bad.digest][:7]) == (1, "error: ")
    assert answer(gateway, "a") == [1.0]


def test_a_restart_keeps_the_old_answer_of_a_model_whose_new_package_cannot_be_loaded(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    one, two, three = (package(store, number) for number in (1, 2, 3))
    begin(gateway, valkey, tables(1, a=one, b=two))
    exchange.put_table(valkey.redis, tables(2, a=broken(package(store, 4)), b=three))
    wait_for(lambda: answer(gateway, "b") == [3.0])
    assert gateway.stop() == 0
    gateway.start()
    wait_for(gateway.ready)
    assert (answer(gateway, "a"), answer(gateway, "b")) == ([1.0], [3.0])
    assert wait_for(lambda: state(gateway, valkey))["generation"] == 1


def test_a_model_without_anything_older_answers_503_and_the_others_are_served(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    exchange.put_table(valkey.redis, tables(1, a=broken(package(store, 4)), b=package(store, 2)))
    gateway.start()
    wait_for(gateway.ready)
    assert answer(gateway, "b") == [2.0]
    reply = ask(gateway, "a")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "cannot load a" in reply.json()["error"]
    assert wait_for(lambda: state(gateway, valkey))["generation"] == 0


def refused(gateway: GatewayProcess, sentence: str) -> bool:
    """Whether the gateway is up, not ready, and says so to a prediction, which may come again."""
    try:
        ready, reply = gateway.client.get("/v2/health/ready"), gateway.predict(ROW)
    except httpx.TransportError:
        return False
    assert gateway.client.get("/v2/health/live").json() == {"live": True, "ready": False}
    assert (ready.status_code, reply.status_code, "retry-after" in reply.headers) == (503, 503, True)
    return sentence in reply.json()["error"]


def test_a_first_table_that_cannot_be_loaded_is_not_ready_and_not_taken_for_nothing_released(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    bad = broken(package(store, 4))
    exchange.put_table(valkey.redis, table(bad))
    gateway.start()
    wait_for(lambda: refused(gateway, "is not loaded here yet"))
    wait_for(lambda: state(gateway, valkey).get("error"))
    assert (state(gateway, valkey)["generation"], gateway.ready()) == (0, False)
    mend(bad)
    wait_for(gateway.ready)
    assert gateway.predict(ROW).json() == {"predictions": [4.0]}


def test_a_start_with_nothing_on_disk_while_redis_is_away_is_live_and_not_ready(
    valkey: Valkey, gateway: GatewayProcess
) -> None:
    valkey.kill()
    gateway.start()
    wait_for(lambda: refused(gateway, "is not loaded here yet"))
    assert not gateway.ready()
    valkey.start()
    wait_for(gateway.ready)
    reply = gateway.predict(ROW)
    assert (reply.status_code, "Nothing has been released" in reply.json()["error"]) == (404, True)


def test_an_empty_environment_beside_a_broken_one_still_says_that_nothing_was_released(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    gateway.environments = "dev,qa"
    exchange.put_table(valkey.redis, table(broken(package(store, 4))))
    gateway.start()
    wait_for(lambda: refused(gateway, "is not loaded here yet"))
    wait_for(lambda: gateway.predict(ROW, "qa").status_code == 404)


def test_a_restart_without_redis_is_ready_with_what_the_disk_has(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    gateway.environments = "dev,qa"
    begin(gateway, valkey, table(package(store, 1)))
    assert gateway.stop() == 0
    valkey.kill()
    shutil.rmtree(store)
    gateway.start()
    wait_for(gateway.ready)
    assert gateway.predict(ROW).json() == {"predictions": [1.0]}
    assert gateway.predict(ROW, "qa").status_code == 503


def test_an_environment_that_went_and_came_back_is_served_again_in_part(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    gateway.environments = "*"
    exchange.put_environments(valkey.redis, ["qa", "dev"])
    exchange.put_table(valkey.redis, tables(1, a=broken(package(store, 4)), b=package(store, 2)))
    gateway.start()
    wait_for(gateway.ready)
    exchange.put_environments(valkey.redis, ["qa"])
    wait_for(lambda: ask(gateway, "b").status_code == 404)
    exchange.put_environments(valkey.redis, ["qa", "dev"])
    wait_for(lambda: answer(gateway, "b") == [2.0])
