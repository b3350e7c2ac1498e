"""The final signature: the upload's own, with what the form declares laid over it, in one canonical text."""

import json
from collections.abc import Mapping
from typing import Any

from releases.intake.report import Refused
from serving.contract.signature import Signature, SignatureError

STEP = "digest"


def settle(
    given: Mapping[str, Any] | None, constraints: Mapping[str, Any], declared: Mapping[str, Any]
) -> Signature | None:
    """The signature, checked; None when nobody said what the inputs are, so that the model must be asked.

    Raises Refused when it cannot be served, with every reason.
    """
    found = dict(given or {})
    for key in ("inputs", "outputs"):
        if declared.get(key):
            found[key] = declared[key]
    if not found.get("inputs"):
        return None
    metadata = dict(found.get("metadata") or {})
    own = dict(metadata.get("constraints") or constraints or {})
    metadata["constraints"] = overlay(own, declared.get("constraints") or {})
    return parse({**found, "metadata": metadata})


def overlay(own: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Limits by input; a declared limit takes the place of the package's, a declared null takes it away."""
    merged = {name: dict(limits or {}) for name, limits in own.items()}
    for name, limits in declared.items():
        both = {**merged.get(name, {}), **dict(limits or {})}
        merged[name] = {key: value for key, value in both.items() if value is not None}
    return {name: limits for name, limits in merged.items() if limits}


def parse(data: Mapping[str, Any]) -> Signature:
    """A checked Signature; raises Refused with the reasons."""
    try:
        return Signature.from_json(data).check()
    except SignatureError as error:
        raise Refused(STEP, str(error)) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise Refused(STEP, f"The signature cannot be read: {error}.") from None


def text(signature: Signature) -> str:
    """The one form that is written into the package, so that the same signature always has the same digest."""
    return json.dumps(signature.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
