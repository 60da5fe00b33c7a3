"""What `manage.py web` serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "herdsite.settings")
application = get_wsgi_application()
