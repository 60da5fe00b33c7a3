#!/usr/bin/env python
"""herdsite's command line: `manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from fleet.audit.acting import by_command

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "herdsite.settings")
    with by_command(sys.argv):
        execute_from_command_line(sys.argv)
