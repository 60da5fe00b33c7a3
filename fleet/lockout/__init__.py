"""Guessing takes time: wrong passwords are counted in herdsite's own database, for all its processes together."""
