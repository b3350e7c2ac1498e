"""A device: ask the channel, fetch, verify, self-test, switch, keep the copy before, check in. Safe to kill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from serving.edge.copies import Copies, State
from serving.edge.documents import CHANNEL, Bundle, EdgeError, Offer, verify
from serving.edge.model import EdgeModel, Report
from serving.edge.server import CheckIn, Server, Unreachable
from serving.edge.trying import test_apart

# What a device says of the bundle that it should run.
PASSED, FAILED, REFUSED, OFF = "passed", "failed", "refused", "off"


class Device:
    """One model on one device. `test` tries a copy, in a process of its own by itself."""

    def __init__(self, copies: Copies, server: Server, name: str, test: Callable[[Path], Report] = test_apart) -> None:
        self._copies, self._server, self._name, self._test = copies, server, name, test

    def update(self) -> CheckIn:
        """Do what the channel wants, and say how it went. What is current goes on whatever is wrong with the new one.

        Raises Unreachable where the server cannot be asked, after everything that could be done without it.
        """
        try:
            told = self._follow(self._offer())
        except EdgeError as error:
            told = self._told(REFUSED, str(error))
        self._server.check_in(told)
        self._copies.sweep()
        return told

    def _offer(self) -> Offer:
        """Return the newest offer, verified: by our key, of our channel, and none that was replaced by a newer one."""
        state = self._copies.state
        found = self._server.offer(state.tag)
        if found is None:
            return Offer.from_bytes(state.offer.encode())
        data, signature, tag = found
        verify(CHANNEL, data, signature, self._copies.key)
        offer = Offer.from_bytes(data)
        if (offer.model, offer.channel) != self._server.place:
            raise EdgeError("The offer is signed, but for another model or channel.")
        if offer.serial < state.serial or (offer.serial == state.serial and data.decode() != state.offer):
            raise EdgeError(f"The offer is an old one: number {offer.serial}, and {state.serial} was seen here.")
        # Another offer is another chance for a bundle that failed here.
        refused = state.refused if offer.serial == state.serial else ""
        self._copies.keep(replace(state, serial=offer.serial, offer=data.decode(), tag=tag, refused=refused))
        return offer

    def _follow(self, offer: Offer) -> CheckIn:
        wanted, state = offer.wanted(self._name), self._copies.state
        if wanted is None:
            self._copies.keep(replace(state, off=True))
            return self._told(OFF, "The channel offers nothing; the model is off here.")
        if wanted.id == state.refused:
            return self._told(FAILED, "It failed here before, and waits for another offer.")
        if wanted.id == state.current and not state.off:
            return self._again(wanted)
        return self._take(wanted)

    def _again(self, wanted: Bundle) -> CheckIn:
        """Look at what is current once more; spoilt on the disk it is brought again, failing it gives way."""
        try:
            self._copies.checked(wanted.id)
        except EdgeError:
            return self._take(wanted)
        report = self._test(self._copies.folder(wanted.id))
        if report.passed:
            return self._told(PASSED, report=report)
        with suppress(EdgeError):  # where there is nothing to return to, what is here stays, and says what is wrong
            self._copies.back()
        return self._told(FAILED, report.problem, report)

    def _take(self, wanted: Bundle) -> CheckIn:
        bundle = self._bring(wanted)
        report = self._test(self._copies.folder(bundle))
        if report.passed:
            self._copies.switch(bundle)
            return self._told(PASSED, report=report)
        self._copies.keep(replace(self._copies.state, refused=bundle))
        return self._told(FAILED, report.problem, report)

    def _bring(self, wanted: Bundle) -> str:
        """Return a copy of which every byte was checked; one that is here already is not fetched again."""
        if self._copies.has(wanted.id):
            with suppress(EdgeError):  # it is spoilt: bring it again
                self._copies.checked(wanted.id)
                return wanted.id
        with self._copies.draft() as draft:
            self._server.fetch(wanted.id, draft)
            return self._copies.add(draft, wanted=wanted.id, model=self._server.place[0])

    def _told(self, state: str, words: str = "", report: Report | None = None) -> CheckIn:
        report, current = report or Report(), self._copies.state
        bundle = "" if current.off else current.current
        return CheckIn(self._name, bundle, state, words, report.seconds, report.memory)


def start(copies: Copies) -> EdgeModel:
    """Return the current model, ready to answer; one that is spoilt or fails its self-test gives way to the one before.

    Asks nobody: a device that is offline does the same. Raises EdgeError when no copy is left that may answer.
    """
    state = copies.state
    if state.off:
        raise EdgeError("The model was switched off by its channel.")
    try:
        return _opened(copies, state)
    except EdgeError as error:
        try:
            return _opened(copies, copies.back())
        except EdgeError:
            raise error from None


def _opened(copies: Copies, state: State) -> EdgeModel:
    if not state.current:
        raise EdgeError("No bundle is installed here.")
    model = EdgeModel(copies.folder(state.current), copies.checked(state.current))
    if problem := model.self_test().problem:
        raise EdgeError(problem)
    return model


__all__ = ["FAILED", "OFF", "PASSED", "REFUSED", "Device", "Unreachable", "start"]
