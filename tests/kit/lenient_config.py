"""A configuration that takes any value for a setting."""

import attrs
from sample_plugin import SampleConfig

from airouter_core.config.fields import setting


@attrs.frozen(kw_only=True)
class LenientConfig(SampleConfig):
    """Takes anything."""

    log_content: bool = setting("any", default=False)
