"""The command line for people who aren't on the server: a small client over `/api/v1`, started by `bin/herd`. It knows
nothing of the rest of herdsite, nor of Django: what it may do is what the API lets its token do."""
