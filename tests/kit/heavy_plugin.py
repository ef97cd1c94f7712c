"""A plugin module that imports an HTTP library."""

import requests  # noqa: F401
