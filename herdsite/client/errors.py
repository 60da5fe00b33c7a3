"""What can go wrong, and the exit code by which a script tells one from another."""

DONE, FAILED, USAGE, NOT_FOUND, NO_LOGIN, UNREACHABLE, TIMED_OUT = range(7)
INTERRUPTED = 130

MEANINGS = {
    DONE: "done",
    FAILED: "refused, or failed",
    USAGE: "wrong arguments, found by the client or by the server",
    NOT_FOUND: "not found",
    NO_LOGIN: "no permission, or no login",
    UNREACHABLE: "the server can't be reached, or is too busy",
    TIMED_OUT: "the request had not ended within the time to wait",
    INTERRUPTED: "interrupted by Ctrl-C; the request itself goes on",
}


class HerdError(Exception):
    """The message is for people and says what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED):
        super().__init__(message)
        self.code = code
