"""Metrics lines: one a minute for each production database, to stdout and to whoever drains them."""
