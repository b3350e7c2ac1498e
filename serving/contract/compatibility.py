"""What one signature refuses that another accepts: the check before a canary, a blue/green or a shadow."""

from __future__ import annotations

from serving.contract.fields import Field
from serving.contract.signature import Signature

# A value of the first type is always a value of each of these.
WIDER = {
    "boolean": {"boolean"},
    "integer": {"integer", "long", "float", "double"},
    "long": {"long", "float", "double"},
    "float": {"float", "double"},
    "double": {"double"},
    "string": {"string"},
}


def differences(stable: Signature, candidate: Signature) -> list[str]:
    """Return, in words, what the candidate refuses that stable accepts; empty when it accepts every such request."""
    old, new = {item.name: item for item in stable.inputs}, {item.name: item for item in candidate.inputs}
    if (stable.tensor is None) != (candidate.tensor is None):
        return ["one takes named columns, the other a tensor"]
    if stable.tensor and candidate.tensor:
        return _field(stable.tensor, candidate.tensor)
    gone = [f"{name}: the candidate does not know it" for name in old if name not in new]
    wanted = [f"{name}: the candidate requires it" for name, item in new.items() if name not in old and item.required]
    changed = [line for name in old if name in new for line in _field(old[name], new[name])]
    return gone + wanted + changed + _order(list(old), list(new), bool(gone or wanted))


def _order(old: list[str], new: list[str], reported: bool) -> list[str]:
    """Rows may be sent as plain lists, so the order of the columns is part of what stable accepts."""
    if reported or new[: len(old)] == old:
        return []
    return ["the columns come in another order, which changes rows sent as plain lists"]


def _field(old: Field, new: Field) -> list[str]:
    found = []
    if new.type not in WIDER.get(old.type, set()):
        found.append(f"{old.name}: the type was {old.type} and is {new.type}")
        return found
    if old.shape != new.shape:
        found.append(f"{old.name}: the shape of a row was {old.shape} and is {new.shape}")
    if old.shape is not None and old.named and old.name != new.name:
        found.append(f"{old.name}: the name of the tensor is another")
    if new.required and not old.required:
        found.append(f"{old.name}: it was optional and is required")
    return found + _values(old, new) + (_limits(old, new) if old.values is None else [])


def _values(old: Field, new: Field) -> list[str]:
    if old.values is None:
        return [f"{old.name}: only listed values are allowed now"] if new.values is not None else []
    refused = [value for value in old.values if new.broken(value)]
    return [f"{old.name}: these values are refused now: {', '.join(map(str, refused))}"] if refused else []


def _limits(old: Field, new: Field) -> list[str]:
    if old.kind.python not in (int, float):
        return []
    found = []
    if new.least() > old.least() or (new.least() == old.least() and new.open_below() and not old.open_below()):
        found.append(f"{old.name}: the lower limit is tighter")
    if new.most() < old.most() or (new.most() == old.most() and new.open_above() and not old.open_above()):
        found.append(f"{old.name}: the upper limit is tighter")
    return found
