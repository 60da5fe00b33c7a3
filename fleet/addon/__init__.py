"""Databases as an add-on of somebody's platform: what the platform asks over HTTP, and what it is told back."""
