"""Telling people: customers, and whoever is on call. `desk` is what the rest of herdsite calls; it only writes rows of
the outbox. `outbox.send_due` is the beat that sends them."""
