"""An implementation that starts a thread when it is imported."""

import threading
import time

from sample_plugin import SampleProvider as Provider  # noqa: F401

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
