"""Reading a tar without trusting what it says about its own sizes."""

import gzip
import tarfile
from typing import IO, Any

HEADER_MOST = 1024 * 1024
HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class TooMuch(Exception):
    """A cap was reached; the text is a sentence for people."""


class Counted:
    """A readable stream that stops at a total, and at a ratio to the packed size."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, total: int, ratio: int, ratio_from: int, packed: int) -> None:
        self._stream, self._total, self._ratio, self._from, self._packed = stream, total, ratio, ratio_from, packed
        self.read_so_far = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.read_so_far += len(data)
        # The headers and the padding of a tar stand in the stream beside the files.
        if self.read_so_far > self._total + 8 * HEADER_MOST:
            raise TooMuch(f"The upload unpacks to more than {self._total // 1024 // 1024} MiB.")
        if self.read_so_far > self._from and self.read_so_far > self._ratio * self._packed:
            raise TooMuch(f"The upload unpacks to more than {self._ratio} times its packed size.")
        return data


class CappedTarInfo(tarfile.TarInfo):
    """Extended headers are read into memory whole, so a huge one is refused before that."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in HEADERS and self.size > HEADER_MOST:
            raise TooMuch("The archive has a header of more than 1 MiB.")
        return super()._proc_member(archive)  # type: ignore[misc]
