"""Providers by name, and the addresses that mean one of them: the way in for routers, gateways and bulk runs."""

from .comparison import Comparison as Comparison
from .providers import ProviderManager as ProviderManager
