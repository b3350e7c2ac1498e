"""The contract cases of one package, inside the sandbox: does its serving form do what its signature says?

Reads `job.json` in the working folder; says each case as one line of JSON on standard output.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any


def main() -> int:
    """The exit code: 0 when every case was said, whatever it showed."""
    from testing.sandboxed.saying import Cases, keep_stdout

    warnings.simplefilter("ignore")
    say = keep_stdout()
    cases = Cases(say)
    job: dict[str, Any] = json.loads(Path("job.json").read_text("utf-8"))
    loaded = _load(cases, job)
    if loaded:
        from testing.sandboxed import promises

        promises.look(cases, job, *loaded)
    say({"ended": True})
    return 0


def _load(cases: Any, job: dict[str, Any]) -> Any:
    """The serving form as a gateway has it, None when it cannot be loaded."""
    loaded = None
    with cases.case("it loads") as said:
        from serving import artefacts, runtimes

        folder = Path(job["artefact"])
        manifest = artefacts.verify(folder, job["artefact_digest"])
        signature = runtimes.read_signature(folder)
        loaded = (runtimes.load(folder, manifest, signature), manifest, signature)
        said.evidence = f"{manifest.model_file}, served by {manifest.runtime}, every byte as it was accepted"
    return loaded


if __name__ == "__main__":
    sys.exit(main())
