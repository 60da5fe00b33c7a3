"""Webhooks out: whoever registered an endpoint hears of everything that happens to what it asked about."""
