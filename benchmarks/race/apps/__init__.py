"""The programs that the peers run: what a user of each would write; and the limits beside them, hello and bare."""

APPS = __name__
HELLO, BARE = "hello", "bare"
