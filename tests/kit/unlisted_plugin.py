"""A plugin module that declares the sample provider, and that no installation lists."""

from sample_plugin import SAMPLE

from airouter_core.plugins.hookspecs import hookimpl


@hookimpl
def airouter_providers():
    return (SAMPLE,)
