"""The stream of captured requests in Redis: bounded in number and bytes; what is sent twice is added once.

A full stream takes no more: what was taken is never pushed out by what comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from redis import Redis

STREAM, BYTES = "slipway:captured", "slipway:captured-bytes"
MOST_ENTRIES, MOST_BYTES = 20_000, 64 * 1024 * 1024
# For so long a gateway may send again what it does not know to have arrived.
REMEMBERED_SECONDS = 3600

ADD = """
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
local count = redis.call('XLEN', KEYS[1])
local bytes = tonumber(redis.call('GET', KEYS[2]) or '0')
local before, refused = bytes, 0
for i = 4, #ARGV, 2 do
  local number = tonumber(ARGV[i])
  if number > last then
    last = number
    if count < tonumber(ARGV[1]) and bytes + #ARGV[i + 1] <= tonumber(ARGV[2]) then
      redis.call('XADD', KEYS[1], '*', 'record', ARGV[i + 1])
      count, bytes = count + 1, bytes + #ARGV[i + 1]
    else
      refused = refused + 1
    end
  end
end
redis.call('SET', KEYS[3], last, 'EX', ARGV[3])
if bytes ~= before then redis.call('SET', KEYS[2], bytes) end
return refused
"""
DROP = """
for _, id in ipairs(ARGV) do
  local found = redis.call('XRANGE', KEYS[1], id, id)
  if found[1] then
    redis.call('DECRBY', KEYS[2], #found[1][2][2])
    redis.call('XDEL', KEYS[1], id)
  end
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
"""


class Entry(NamedTuple):
    """One entry: its place in the stream (milliseconds by the clock of Redis, and a number), and its line of JSON."""

    place: tuple[int, int]
    line: bytes

    @property
    def id(self) -> str:
        return f"{self.place[0]}-{self.place[1]}"


def add(redis: Redis, boot: str, numbered: Sequence[tuple[int, bytes]]) -> int:
    """Append the lines of one gateway process, whose numbers grow; return how many a full stream refused."""
    sent = [part for number, line in numbered for part in (str(number), line)]
    limits = (str(MOST_ENTRIES), str(MOST_BYTES), str(REMEMBERED_SECONDS))
    return int(cast("Any", redis.eval(ADD, 3, STREAM, BYTES, f"slipway:captured-by:{boot}", *limits, *sent)))


def first(redis: Redis, most: int, after: Entry | None = None) -> list[Entry]:
    """Return the oldest entries, or those that come after one, in order."""
    start = f"({after.id}" if after else "-"
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(STREAM, min=start, count=most))
    return [Entry(place(name.decode()), fields.get(b"record", b"")) for name, fields in found]


def drop(redis: Redis, entries: Sequence[Entry]) -> None:
    """Forget entries that are stored; those that are gone already are no error."""
    if entries:
        redis.eval(DROP, 2, STREAM, BYTES, *[entry.id for entry in entries])


def place(name: str) -> tuple[int, int]:
    """Return an entry's name as numbers, which can be compared."""
    at, _, number = name.partition("-")
    return int(at), int(number or 0)
