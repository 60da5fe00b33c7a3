"""Attacks on a running herdsite, each by somebody who wants further in than he may; a list that grows."""
