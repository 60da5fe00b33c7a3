"""Moments of the monotonic clock until which something may take."""

import time


def left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def late(deadline: float) -> bool:
    return time.monotonic() >= deadline


def since(begun: float) -> int:
    """Milliseconds."""
    return round((time.monotonic() - begun) * 1000)
