"""A first look at a zip's own directory, before the standard library reads all of it into memory."""

import os
import struct
from pathlib import Path

from releases.intake.report import Refused

END, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x07"
END_SIZE, COMMENT_MOST = 22, 65535
BYTES_A_MEMBER = 1024


def check(upload: Path, members: int, step: str = "unpack") -> None:
    """Raises Refused when the directory is missing, too long for `members`, or in the 64-bit form."""
    size = upload.stat().st_size
    with upload.open("rb") as file:
        file.seek(max(0, size - END_SIZE - COMMENT_MOST - 20))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise Refused(step, "The archive is damaged and cannot be read: its directory is missing.")
    entries, length = struct.unpack_from("<HI", tail, at + 10)
    if LOCATOR_64 in tail[max(0, at - 20) : at] or entries == 0xFFFF:
        raise Refused(step, "The archive is in the 64-bit zip form, which a package of this size never needs.")
    if entries > members or length > max(members * BYTES_A_MEMBER, os.sysconf("SC_PAGE_SIZE")):
        raise Refused(step, f"The upload holds more than {members:,} files and folders.")
