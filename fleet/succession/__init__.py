"""The pure heart of a changeover: who may take over, what a leader waits for, what proves the old one silent.

Nothing here knows Django or a wire. Whatever could not be found out is None, and None is never taken for fine.
"""
